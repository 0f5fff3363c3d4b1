"""Reads the marts of a release for its report, with dates as dates and names as people know them."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import duckdb
import pandas as pd

NEW, LEFT = "(new)", "(left)"
MONTH = 30
# A month that has fewer days than these is shown together with the one before it.
YOUNG_MONTH = 7
OUTSIDE = {NEW: "Newly known", LEFT: "No longer known"}


@dataclass(frozen=True)
class Marts:
    """The marts in a release's file. No table of customers is read whole: the report shows groups.

    Attributes:
        file: the DuckDB file of the release.
    """

    file: Path
    _read: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The file, open for reading."""
        return duckdb.connect(str(self.file), read_only=True)

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def table(self, name: str, keep: str = "true") -> pd.DataFrame:
        """The rows of a mart for which a condition holds; decimals as floats, dates as timestamps, no text as None."""
        found = self.connection.table(f"marts.{name}").filter(keep)
        rows = found.df()
        for column, kind in zip(found.columns, found.types, strict=True):
            if str(kind) == "VARCHAR":
                # pandas would have NaN there, which is true and has no text.
                rows[column] = rows[column].astype(object).where(rows[column].notna(), None)
        return rows

    def own(self, name: str, segmentation: str) -> pd.DataFrame:
        """The rows of a mart of groups that are of one segmentation; the mart is read once."""
        if name not in self._read:
            self._read[name] = self.table(name)
        rows = self._read[name]
        return rows[rows["segmentation"] == segmentation]

    @cached_property
    def segmentations(self) -> pd.DataFrame:
        """The active segmentations in force, by label."""
        found = self.table("dim_segmentations", "is_current and status = 'active'")
        return found.sort_values(["label", "segmentation"]).reset_index(drop=True)

    @cached_property
    def segments(self) -> pd.DataFrame:
        """The segments in force, in the order of their rules."""
        return self.table("dim_segments", "is_current").sort_values(["segmentation", "position"]).reset_index(drop=True)

    @cached_property
    def daily(self) -> pd.DataFrame:
        """fct_segment_daily with `day` as a date."""
        found = self.table("fct_segment_daily")
        found["day"] = pd.to_datetime(found["as_of_date"]).dt.date
        found["net_sales_30d"] = found["net_sales_30d"].astype(float)
        return found.sort_values(["segmentation", "segment", "day"]).reset_index(drop=True)

    @cached_property
    def as_of(self) -> date:
        """The day that the release shows."""
        return self.daily["day"].max()

    @cached_property
    def labels(self) -> dict[tuple[str, str], str]:
        """What people call a segment; one that the rules no longer have goes by its name."""
        known = {(row.segmentation, row.segment): row.label for row in self.segments.itertuples()}
        seen = self.daily[["segmentation", "segment"]].drop_duplicates()
        for row in seen.itertuples():
            known.setdefault((row.segmentation, row.segment), row.segment.replace("_", " ").capitalize())
        for segmentation in seen["segmentation"].unique():
            known |= {(segmentation, name): label for name, label in OUTSIDE.items()}
        return known

    def order(self, segmentation: str) -> list[str]:
        """The segments of a segmentation in the order of its rules, dropped ones last."""
        ruled = self.segments.loc[self.segments["segmentation"] == segmentation, "segment"].tolist()
        seen = self.daily.loc[self.daily["segmentation"] == segmentation, "segment"].unique()
        return ruled + sorted(set(seen) - set(ruled))

    def sizes_on(self, segmentation: str, day: date) -> pd.Series:
        """Customers by segment on a day; empty where the history does not hold the day."""
        rows = self.daily[(self.daily["segmentation"] == segmentation) & (self.daily["day"] == day)]
        return rows.set_index("segment")["customers"].astype(int)

    def moves(self, period: str, after: date) -> pd.DataFrame:
        """Rows of fct_segment_migrations of periods that start after a day, staying included."""
        return self.table("fct_segment_migrations", f"period = '{period}' and period_start > date '{after}'")

    def flows_begin(self, segmentation: str | None = None) -> date:
        """The day at whose end the flows begin that are shown: the end of a month, but not before the history.

        At the end of the day before a history all customers would be newly known.
        """
        rows = self.daily if segmentation is None else self.daily[self.daily["segmentation"] == segmentation]
        begin = self.as_of.replace(day=1) - timedelta(days=1)
        if self.as_of.day < YOUNG_MONTH:
            begin = begin.replace(day=1) - timedelta(days=1)
        return max(begin, rows["day"].min())

    def flows(self, segmentation: str, begin: date) -> pd.DataFrame:
        """Customers by from_segment and to_segment, from the end of a day to the end of the last; who stayed, too."""
        if begin + timedelta(days=1) == self.as_of.replace(day=1):
            start = f"period_start = date '{begin + timedelta(days=1)}'"
            return self.table(
                "fct_segment_migrations", f"period = 'month' and {start} and segmentation = '{segmentation}'"
            )
        spells = self.connection.table("marts.fct_segment_spells").filter(f"segmentation = '{segmentation}'")

        def on(day: date, name: str) -> duckdb.DuckDBPyRelation:
            held = spells.filter(f"valid_from <= date '{day}' and date '{day}' < valid_to and segment <> '{LEFT}'")
            return held.project(f"customer_id, segment as {name}").set_alias(name)

        both = on(begin, "began").join(on(self.as_of, "ended"), "customer_id", how="outer")
        ends = both.project(f"coalesce(began, '{NEW}') as from_segment, coalesce(ended, '{LEFT}') as to_segment")
        return ends.aggregate("from_segment, to_segment, count(*) as customers", "from_segment, to_segment").df()

    def days_before(self, days: int) -> date:
        """The day so many days before the one that the release shows, but not before the history."""
        return max(self.as_of - timedelta(days=days), self.daily["day"].min())

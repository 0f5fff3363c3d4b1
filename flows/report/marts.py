"""Reads the marts of a release for its report, with dates as dates and names as people know them."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import duckdb
import pandas as pd

NEW, LEFT = "(new)", "(left)"
MONTH = 30
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
                # pandas would have a number there that is none, which is true and has no text.
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

    def days_before(self, days: int) -> date:
        """The day so many days before the one that the release shows, but not before the history."""
        return max(self.as_of - timedelta(days=days), self.daily["day"].min())

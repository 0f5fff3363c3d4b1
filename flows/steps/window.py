"""Which days a run builds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import yaml

from flows.steps.errors import RunStopped
from flows.steps.project import ROOT, Project

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """The days from first to last, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.last - self.first).days + 1

    def chunks(self, days: int) -> Iterator["Window"]:
        """The window in pieces of at most so many days, in order."""
        first = self.first
        while first <= self.last:
            last = min(first + timedelta(days=days - 1), self.last)
            yield Window(first, last)
            first = last + ONE_DAY

    def __str__(self) -> str:
        """The window for people."""
        return f"{self.first}" if self.days == 1 else f"{self.first} to {self.last} ({self.days} days)"


def published_date(serving: Path) -> date | None:
    """The as-of date of the current release, or None before the first."""
    manifest = serving / "current" / "manifest.json"
    if not manifest.exists():
        return None
    return date.fromisoformat(json.loads(manifest.read_text())["as_of_date"])


def newest_complete_date(project: Project, now: datetime) -> date:
    """The newest day, over all enabled sources, of which all transactions are there.

    Transactions stamped after `now` do not count here; the input checks stop the run for them.

    Raises:
        RunStopped: a source has no transactions file, or one that cannot be read, or none up to now.
    """
    zone = ZoneInfo(project.vars["timezone"])
    newest = []
    for system in project.vars["sources"]:
        table = _transactions_table(system)
        source_zone = ZoneInfo(table["config"]["meta"].get("timezone", project.vars["timezone"]))
        column = table["config"]["loaded_at_field"]
        file = _source_file(system, project)
        stamp = f"try_cast({column} as timestamp)"
        limit = now.astimezone(source_zone).replace(tzinfo=None)
        try:
            with duckdb.connect() as connection:
                rows = (
                    connection.read_csv(str(file), header=True, sep=",", quotechar='"', all_varchar=True)
                    if file.suffix == ".csv"
                    else connection.read_parquet(str(file))
                )
                found = rows.filter(f"{stamp} <= timestamp '{limit}'").aggregate(f"max({stamp})").fetchone()
        except duckdb.Error as error:
            raise RunStopped(
                f"source '{system}', table 'transactions': {file} cannot be read: {str(error).splitlines()[0]}. "
                "If the file was cut off, deliver it again."
            ) from error
        if not found or found[0] is None:
            raise RunStopped(f"source '{system}', table 'transactions': {file} has no row with a {column} up to now.")
        newest.append(found[0].replace(tzinfo=source_zone).astimezone(zone).date())
    last = max(newest)
    return last if project.vars["newest_day_is_complete"] else last - ONE_DAY


def resolve_window(project: Project, as_of: date | None, now: datetime | None = None) -> Window | None:
    """The days after the last published one, up to `as_of` or the newest complete day; None if there are none.

    Days that were built but never published are in the window again.

    Raises:
        RunStopped: `as_of` is already published, lies before the history, or after the newest complete day.
    """
    newest = newest_complete_date(project, now or datetime.now(UTC))
    published = published_date(project.serving)
    if published and newest < published:
        raise RunStopped(
            f"The sources end on {newest}, but {published} is published already. "
            "If a file was cut off or replaced by an older one, deliver it again."
        )
    first = published + ONE_DAY if published else project.history_start
    last = as_of or newest
    if as_of and published and as_of <= published:
        raise RunStopped(
            f"{as_of} is already published (the current release is as of {published}). "
            f"To build it again, use: python -m flows.backfill --first {as_of}"
        )
    if last < project.history_start:
        raise RunStopped(f"{last} lies before vars: history_start, {project.history_start}.")
    if last > newest:
        raise RunStopped(f"The sources are complete up to {newest} only, so {last} cannot be built yet.")
    return Window(first, last) if first <= last else None


def resolve_backfill(project: Project, first: date, last: date | None, now: datetime | None = None) -> Window:
    """The days of a backfill, up to `last` or the newest complete day.

    Raises:
        RunStopped: the days do not lie between history_start and the newest complete day, leave a gap after the
            published ones, or end before the last of them.
    """
    newest = newest_complete_date(project, now or datetime.now(UTC))
    published = published_date(project.serving)
    last = last or newest
    if first < project.history_start:
        raise RunStopped(f"{first} lies before vars: history_start, {project.history_start}. Begin there, or move it.")
    if last > newest:
        raise RunStopped(f"The sources are complete up to {newest} only, so {last} cannot be built yet.")
    if last < first:
        raise RunStopped(f"The last day {last} lies before the first, {first}.")
    expected = published + ONE_DAY if published else project.history_start
    if first > expected:
        raise RunStopped(f"History has no day before {first} to build on. Begin with {expected} or earlier.")
    if published and last < published:
        raise RunStopped(
            f"History is published up to {published}; building from {first} forgets it from there on, "
            f"so build at least up to {published}."
        )
    return Window(first, last)


def _transactions_table(system: str) -> dict:
    folder = ROOT / "models" / "staging" / system
    for path in sorted(folder.glob("*sources.yml")):
        for source in yaml.safe_load(path.read_text())["sources"]:
            for table in source["tables"]:
                if source["name"] == system and "loaded_at_field" in table.get("config", {}):
                    return table
    systems = sorted(path.name for path in (ROOT / "models" / "staging").iterdir() if path.is_dir())
    raise RunStopped(
        f"vars: sources names '{system}', for which models/staging has no folder with a source whose transactions "
        f"have a loaded_at_field. There are: {', '.join(systems)}."
    )


def _source_file(system: str, project: Project) -> Path:
    folder = ROOT / str(project.vars[f"{system}_folder"])
    for suffix in (".parquet", ".csv"):
        file = folder / f"transactions{suffix}"
        if file.exists():
            return file
    raise RunStopped(
        f"source '{system}', table 'transactions': there is no file {folder / 'transactions'}.parquet or .csv. "
        f"Deliver it, or set vars: {system}_folder to the folder that holds it."
    )

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
    """The days from first to last, both included, of a history that begins with history_start."""

    first: date
    last: date
    history_start: date

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.last - self.first).days + 1

    def chunks(self, days: int) -> Iterator["Window"]:
        """The window in pieces of at most so many days, in order."""
        first = self.first
        while first <= self.last:
            last = min(first + timedelta(days=days - 1), self.last)
            yield Window(first, last, self.history_start)
            first = last + ONE_DAY

    def __str__(self) -> str:
        """The window for people."""
        return f"{self.first}" if self.days == 1 else f"{self.first} to {self.last} ({self.days} days)"


@dataclass(frozen=True)
class SourceDays:
    """The first day with a transaction in any enabled source, and the newest complete one."""

    first: date
    newest: date


class OtherSources(RunStopped):
    """The release was built from other source systems than the enabled ones."""


def published_date(project: Project) -> date | None:
    """The as-of date of the current release, or None before the first.

    Raises:
        OtherSources: the release was built from other source systems than the enabled ones.
        RunStopped: the release does not say what it is.
    """
    manifest_file = project.serving / "current" / "manifest.json"
    if not manifest_file.exists():
        return None
    try:
        manifest = json.loads(manifest_file.read_text())
        sources, as_of_date = manifest["sources"], date.fromisoformat(manifest["as_of_date"])
    except (ValueError, LookupError, TypeError) as error:
        raise RunStopped(
            f"{manifest_file} is damaged: {error}. `make doctor` says how to get back to a whole release."
        ) from error
    if sources != project.vars["sources"]:
        raise OtherSources(
            f"The current release was built from {', '.join(sources)}, but vars: sources names "
            f"{', '.join(project.vars['sources'])}. Histories do not mix: move {project.warehouse.parent} and "
            f"{project.serving} away, or set TESSERA_WAREHOUSE and TESSERA_SERVING to other places."
        )
    return as_of_date


def built_date(warehouse: Path) -> date | None:
    """The last day of the history in a warehouse; None where there is no warehouse, or no history in it.

    Raises:
        duckdb.Error: the file cannot be read.
    """
    if not warehouse.is_file():
        return None
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        try:
            return connection.sql("select max(as_of_date) from history.segmentation_days").fetchone()[0]
        except duckdb.CatalogException:
            return None


def check_history(warehouse: Path, window: Window) -> None:
    """Stop a run that would begin where the warehouse has nothing to build on.

    Raises:
        RunStopped: the history does not reach the day before the window: the warehouse was lost, or is an older one.
        duckdb.Error: the warehouse cannot be read.
    """
    if window.first == window.history_start:
        return
    built, before = built_date(warehouse), window.first - ONE_DAY
    if built is None or built < before:
        has = (
            f"its history ends on {built}" if built else "there is no history in it" if warehouse.is_file() else "gone"
        )
        first = built + ONE_DAY if built else window.history_start
        raise RunStopped(
            f"The history up to {before} is not in the warehouse {warehouse}: {has}. Put it back from a backup, or "
            f"build what is lost from the sources of today: python -m flows.backfill --first {first}"
        )


def source_days(project: Project, now: datetime) -> SourceDays:
    """The days of which the enabled sources tell.

    Transactions stamped after `now` do not count here; the input checks stop the run for them.

    Raises:
        RunStopped: a source has no transactions file, or one that cannot be read, or none up to now.
    """
    zone = ZoneInfo(project.vars["timezone"])
    first, newest = [], []
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
                past = rows.filter(f"{stamp} <= timestamp '{limit}'")
                oldest_stamp, newest_stamp = past.aggregate(f"min({stamp}), max({stamp})").fetchone()
        except duckdb.BinderException as error:
            raise RunStopped(
                f"source '{system}', table 'transactions': {file} has no column '{column}', which is required. "
                f"It has: {', '.join(rows.columns)}."
            ) from error
        except duckdb.Error as error:
            raise RunStopped(
                f"source '{system}', table 'transactions': {file} cannot be read: {str(error).splitlines()[0]}. "
                "If the file was cut off, deliver it again."
            ) from error
        if newest_stamp is None:
            raise RunStopped(f"source '{system}', table 'transactions': {file} has no row with a {column} up to now.")
        first.append(oldest_stamp.replace(tzinfo=source_zone).astimezone(zone).date())
        newest.append(newest_stamp.replace(tzinfo=source_zone).astimezone(zone).date())
    last = max(newest) if project.vars["newest_day_is_complete"] else max(newest) - ONE_DAY
    return SourceDays(min(first), last)


def history_start(project: Project, days: SourceDays) -> date:
    """The first day whose segments are kept: vars: history_start, or the first transaction's day if later."""
    return max(date.fromisoformat(str(project.vars["history_start"])), days.first)


def resolve_window(project: Project, as_of: date | None, now: datetime | None = None) -> Window | None:
    """The days after the last published one, up to `as_of` or the newest complete day; None if there are none.

    Days that were built but never published are in the window again.

    Raises:
        RunStopped: `as_of` is already published, lies before the history, or after the newest complete day.
    """
    days = source_days(project, now or datetime.now(UTC))
    start = history_start(project, days)
    published = published_date(project)
    if as_of and as_of < start:
        raise RunStopped(f"{as_of} lies before the history begins, {start} (vars: history_start).")
    if as_of and published and as_of <= published:
        raise RunStopped(
            f"{as_of} is already published (the current release is as of {published}). "
            f'To rewrite it, use: python -m flows.backfill --restate --first {as_of} --reason "..."'
        )
    if published and days.newest < published:
        raise RunStopped(
            f"The sources end on {days.newest}, but {published} is published already. "
            "If a file was cut off or replaced by an older one, deliver it again."
        )
    last = as_of or days.newest
    if last < start:
        raise RunStopped(f"{last} lies before the history begins, {start} (vars: history_start).")
    if last > days.newest:
        raise RunStopped(f"The sources are complete up to {days.newest} only, so {last} cannot be built yet.")
    first = published + ONE_DAY if published else start
    return Window(first, last, start) if first <= last else None


def resolve_backfill(project: Project, first: date, last: date | None, now: datetime | None = None) -> Window:
    """The days of a backfill, up to `last` or the newest complete day.

    Published days that the warehouse has lost may be built again, all of them.

    Raises:
        RunStopped: the days do not lie between history_start and the newest complete day, leave a gap after the
            published ones, or are published and not lost.
    """
    days = source_days(project, now or datetime.now(UTC))
    start = history_start(project, days)
    published = published_date(project)
    if first < start:
        raise RunStopped(f"{first} lies before the history begins, {start} (vars: history_start). Begin there.")
    if max(first, last or first) > days.newest:
        raise RunStopped(
            f"The sources are complete up to {days.newest} only, so {max(first, last or first)} cannot be built yet."
        )
    last = last or days.newest
    if last < first:
        raise RunStopped(f"The last day {last} lies before the first, {first}.")
    expected = published + ONE_DAY if published else start
    if first > expected:
        raise RunStopped(f"History has no day before {first} to build on. Begin with {expected} or earlier.")
    if published and first <= published <= last and first == _first_lost(project, published, start):
        return Window(first, last, start)
    if published and first <= published:
        asked = f" --last {last}" if last < published else ""
        raise RunStopped(
            f"Days up to {published} are published, and published days are rewritten on purpose only. To do that, use: "
            f'python -m flows.backfill --restate --first {first}{asked} --reason "..."'
        )
    return Window(first, last, start)


def _first_lost(project: Project, published: date, start: date) -> date | None:
    """The first published day that the warehouse does not have any more; None where it has them all, or is held."""
    try:
        built = built_date(project.warehouse)
    except duckdb.Error:
        return None
    return None if built and built >= published else max(start, built + ONE_DAY) if built else start


def resolve_restatement(project: Project, first: date, last: date | None, now: datetime | None = None) -> Window:
    """The published days from `first` on: those up to `last` are asked for, the later ones follow from them.

    Raises:
        RunStopped: `first` or `last` is not published, or lies before the history or the other, or the sources do not
            reach the last published day.
    """
    days = source_days(project, now or datetime.now(UTC))
    start = history_start(project, days)
    published = published_date(project)
    if published is None or max(first, last or first) > published:
        end = f"published up to {published}" if published else "not published yet"
        raise RunStopped(
            f"History is {end}, and only published days can be restated. "
            "To build the days after them, use: python -m flows.daily"
        )
    if first < start:
        raise RunStopped(f"{first} lies before the history begins, {start} (vars: history_start). Begin there.")
    if last and last < first:
        raise RunStopped(f"The last day {last} lies before the first, {first}.")
    if published > days.newest:
        raise RunStopped(
            f"The sources end on {days.newest}, but {published} is published already. "
            "If a file was cut off or replaced by an older one, deliver it again."
        )
    return Window(first, published, start)


def resolve_erasure(project: Project, now: datetime | None = None) -> Window:
    """The last published day: an erasure takes customers out of all days, and builds what tells of the last one anew.

    Raises:
        RunStopped: nothing is published, or the warehouse has days that are not.
        duckdb.Error: the warehouse cannot be read.
    """
    start = history_start(project, source_days(project, now or datetime.now(UTC)))
    published = published_date(project)
    if published is None:
        raise RunStopped(
            "Nothing is published yet, so there is nothing to erase. Build it first: python -m flows.daily"
        )
    built = built_date(project.warehouse)
    if built and built > published:
        raise RunStopped(
            f"The warehouse has days up to {built}, but {published} is the last that is published: a run stopped, or "
            "its release was rolled back. Publish them first: python -m flows.daily"
        )
    return Window(published, published, start)


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

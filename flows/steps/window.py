"""Which days a run builds."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from flows.steps.errors import RunStopped, first_line
from flows.steps.lock import wait_until_free
from flows.steps.operations_log import published_by, read_runs
from flows.steps.project import Project
from flows.steps.run_log import log_file, read_events
from flows.steps.source_files import check_files, source_tables
from flows.steps.unchanged import unchanged_files

ONE_DAY = timedelta(days=1)

# From then on, features of 90 days are complete, and lapsed customers can be told from new ones.
TRUSTED_AFTER = timedelta(days=90)


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
    """The as-of date of the release that readers see, or None where they see none.

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
    _check_sources(project, "The current release", sources)
    return as_of_date


def last_published(project: Project) -> date | None:
    """The last day that is published: by the release that readers see or, where they see none, by the log of runs.

    A release can be lost and TESSERA_SERVING be wrong, and then what was published is published still. A release that
    is visible decides alone, for it may be one that somebody went back to.

    Raises:
        OtherSources: it was built from other source systems than the enabled ones, as far as that is known.
        RunStopped: the release does not say what it is, or the warehouse cannot be read, which has the log.
    """
    visible = published_date(project)
    if visible or not project.warehouse.is_file():
        return visible
    try:
        wait_until_free(project.warehouse)
        runs = read_runs(project.warehouse)
    except duckdb.Error as error:
        raise RunStopped(
            f"Readers see no release in {project.serving}, and the warehouse {project.warehouse}, whose log knows what "
            f"was published, cannot be read: {first_line(error)}. `make doctor` says what to do."
        ) from error
    published = published_by(runs)
    if published:
        # Of the runs the structured logs alone know the sources, as long as these are kept.
        released = [run.run_id for run in reversed(runs) if run.status == "released"]
        begun = (event for run_id in released for event in read_events(log_file(project.logs, run_id)))
        sources = next((event["sources"] for event in begun if "sources" in event), project.vars["sources"])
        _check_sources(project, "What was released last", sources)
    return published


def _check_sources(project: Project, what: str, sources: list[str]) -> None:
    if sources != project.vars["sources"]:
        raise OtherSources(
            f"{what} was built from {', '.join(sources)}, but vars: sources names "
            f"{', '.join(project.vars['sources'])}. Histories do not mix: move {project.warehouse.parent} and "
            f"{project.serving} away, or set TESSERA_WAREHOUSE and TESSERA_SERVING to other places."
        )


def built_date(warehouse: Path) -> date | None:
    """The last day of the history in a warehouse; None where there is no warehouse, or no history in it.

    Raises:
        duckdb.Error: the file cannot be read.
    """
    days = built_days(warehouse)
    return days and days[1]


def built_days(warehouse: Path) -> tuple[date, date] | None:
    """The first and the last day of the history in a warehouse; None where there is none.

    Raises:
        duckdb.Error: the file cannot be read.
    """
    if not warehouse.is_file():
        return None
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        try:
            history = connection.table("history.segmentation_days")
            first, last = history.aggregate("min(as_of_date), max(as_of_date)").fetchone()
        except duckdb.CatalogException:
            return None
    return (first, last) if first else None


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
        first = max(window.history_start, built + ONE_DAY) if built else window.history_start
        raise RunStopped(
            f"The history up to {before} is not in the warehouse {warehouse}: {has}. Put it back from a backup, or "
            f"build what is lost from the sources of today: python -m flows.backfill --first {first}"
        )


def source_days(project: Project, now: datetime) -> SourceDays:
    """The days of which the enabled sources tell.

    Transactions stamped after `now`, or before vars: earliest_order_date, do not count here; the input checks stop the
    run for them.

    Raises:
        RunStopped: a file of a source is missing or cannot be read, or a source has no transactions up to now.
    """
    zone = ZoneInfo(project.vars["timezone"])
    tables = source_tables(project)
    today = now.astimezone(zone).date()
    built = unchanged_files(project, tables)
    if built and built.first_date and built.newest_date and built.newest_date < today:
        return _source_days(project, built.first_date, built.newest_date)
    check_files(tables)
    first, newest = [], []
    for table in tables:
        if not table.stamp:
            continue
        source_zone = ZoneInfo(table.timezone)
        limit = now.astimezone(source_zone).replace(tzinfo=None)
        with duckdb.connect() as connection:
            stamps = connection.sql(f"select {table.stamp} as stamp from ({table.rows})")
            past = stamps.filter(f"stamp <= timestamp '{limit}'")
            oldest_stamp, newest_stamp = past.aggregate("min(stamp), max(stamp)").fetchone()
        if newest_stamp is None:
            raise RunStopped(
                f"{table.where}{table.delivery} has no row with a {table.stamp} from {table.earliest} (vars: "
                "earliest_order_date) up to now."
            )
        first.append(oldest_stamp.replace(tzinfo=source_zone).astimezone(zone).date())
        newest.append(newest_stamp.replace(tzinfo=source_zone).astimezone(zone).date())
    return _source_days(project, min(first), max(newest))


def _source_days(project: Project, first: date, newest: date) -> SourceDays:
    return SourceDays(first, newest if project.vars["newest_day_is_complete"] else newest - ONE_DAY)


def history_start(project: Project, days: SourceDays) -> date:
    """The first day whose segments are kept: that of the published history, and before there is one the first possible.

    A line that comes late must not move it, nor a delivery that lacks the oldest days.

    Raises:
        RunStopped: the release that readers see, or the warehouse, cannot be read.
    """
    return _first_published(project) or _first_possible(project, days)


def _first_possible(project: Project, days: SourceDays) -> date:
    """The first day that history may have: vars: history_start, or the first transaction's day if later.

    Without one it is the first day whose features can be trusted, or the first of all if that is not there yet.
    """
    if given := project.vars["history_start"]:
        return max(date.fromisoformat(given), days.first)
    trusted = days.first + TRUSTED_AFTER
    return trusted if trusted <= days.newest else days.first


def beginning(project: Project, days: SourceDays) -> str:
    """The day an unpublished history begins, and why, as a sentence."""
    start, first = _first_possible(project, days), f"the first order, {days.first}"
    if project.vars["history_start"]:
        why = "as vars: history_start says" if start > days.first else "with the first order"
    elif start > days.first:
        why = f"{TRUSTED_AFTER.days} days after {first}, when features become reliable (vars: history_start is null)"
    else:
        why = (
            f"with the first order: there are fewer than {TRUSTED_AFTER.days} days after it, so features are still "
            "filling up (vars: history_start is null)"
        )
    return f"History begins on {start}, {why}."


def _no_day(project: Project, days: SourceDays, start: date) -> str:
    """Says that the sources have no day for the history, and what to do."""
    if start > days.first:
        return (
            f"The sources end on {days.newest}, before the history begins, {start} (vars: history_start). Set it to an "
            f"earlier day, or to null: then it begins {TRUSTED_AFTER.days} days after the first order, {days.first}."
        )
    return (
        f"The sources have no complete day yet: they begin on {days.first}, and the newest complete day is "
        f"{days.newest} (vars: newest_day_is_complete). Run again when there is one."
    )


def _first_published(project: Project) -> date | None:
    """The first day of the published history, by the release that readers see or else by the warehouse."""
    try:
        if published_date(project):
            with duckdb.connect(str(project.serving / "current" / "tessera.duckdb"), read_only=True) as connection:
                return connection.table("marts.fct_segment_daily").min("as_of_date").fetchone()[0]
        built = built_days(project.warehouse) if last_published(project) else None
    except duckdb.Error as error:
        raise RunStopped(
            f"The published history cannot be read: {first_line(error)}. `make doctor` says what to do."
        ) from error
    return built[0] if built else None


def late_sources(project: Project, newest: date, now: datetime) -> str | None:
    """That the sources' newest complete day lies too far back, as a sentence; None where it does not."""
    limit = project.vars["sources_late_after_days"]
    age = (now.astimezone(ZoneInfo(project.vars["timezone"])).date() - newest).days
    if limit is None or age <= limit:
        return None
    return f"The sources are complete up to {newest} only, {age} days ago (vars: sources_late_after_days is {limit})."


def resolve_window(
    project: Project,
    as_of: date | None,
    now: datetime | None = None,
    report: Callable[[str], None] = lambda _line: None,
) -> Window | None:
    """The days after the last published one, up to `as_of` or the newest complete day; None if there are none.

    Days that were built but never published are in the window again. `report` is told what is worth a look.

    Raises:
        RunStopped: `as_of` is already published, lies before the history, or after the newest complete day.
    """
    now = now or datetime.now(UTC)
    days = source_days(project, now)
    start = history_start(project, days)
    published = last_published(project)
    if late := late_sources(project, days.newest, now):
        report(f"warning: {late} Ask who delivers them.")
    if published and not published_date(project):
        report(
            f"warning: Readers see no release in {project.serving}, but days up to {published} were released: it was "
            "lost, or TESSERA_SERVING names another place. They stay as the warehouse has them."
        )
    if not published:
        if days.newest < start:
            raise RunStopped(_no_day(project, days, start))
        report(beginning(project, days))
    if as_of and as_of < start:
        raise RunStopped(f"{as_of} lies before the history begins, {start} (vars: history_start).")
    if as_of and published and as_of <= published:
        raise RunStopped(
            f"{as_of} is already published, as are all days up to {published}. "
            f'To rewrite it, use: python -m flows.backfill --restate --first {as_of} --reason "..."'
        )
    if published and days.newest < published:
        raise RunStopped(
            f"The sources end on {days.newest}, but {published} is published already. "
            "If a file was cut off or replaced by an older one, deliver it again."
        )
    last = as_of or days.newest
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
    published = last_published(project)
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
    start = min(_first_possible(project, days), history_start(project, days))
    published = last_published(project)
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
    # What is asked for may lie before all that is published: then history begins with it.
    return Window(first, published, min(first, history_start(project, days)))


def resolve_release(project: Project) -> Window:
    """The last published day, where no reader sees it and the warehouse still has its marts.

    Raises:
        RunStopped: the warehouse has been changed since they were released.
        duckdb.Error: the warehouse cannot be read.
    """
    published, built = last_published(project), built_date(project.warehouse)
    runs = [run for run in read_runs(project.warehouse) if run.status == "released" or run.may_have_built]
    changed = None
    if published is None or built != published:
        changed = f"its history ends on {built}"
    elif runs[-1].status != "released":
        changed = f"run {runs[-1].run_id} began to build on it"
    elif runs[-1].kind == "rollback":
        changed = f"it is of a later release, from which readers were rolled back ({runs[-1].run_id})"
    if changed:
        raise RunStopped(
            f"Readers see no release in {project.serving}, and the warehouse {project.warehouse} has not any more what "
            f"was released as of {published}: {changed}. If TESSERA_SERVING is wrong, correct it. Else deliver the "
            "next day, and the run that builds it releases all; or build that day again from the sources of today: "
            f'python -m flows.backfill --restate --first {published} --reason "..."'
        )
    # Nothing is built, so it does not matter where the history begins.
    return Window(published, published, published)


def resolve_erasure(project: Project, now: datetime | None = None) -> Window:
    """The last published day: an erasure takes customers out of all days, and builds what tells of the last one again.

    Raises:
        RunStopped: nothing is published, or the warehouse has days that are not.
        duckdb.Error: the warehouse cannot be read.
    """
    start = history_start(project, source_days(project, now or datetime.now(UTC)))
    published = last_published(project)
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

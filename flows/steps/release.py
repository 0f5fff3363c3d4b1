"""Publishes the marts of an accepted run, and goes back to an earlier release.

A release is a folder that never changes once it has its name::

    serving/releases/<as-of date>-<run>/tessera.duckdb    the marts, schema `marts`
                                        parquet/          the marts as Parquet
                                        report/           index.html, for people
                                        data_docs/        what the checks found
                                        manifest.json     as-of date, run, code version, rows per mart, checksums
    serving/current -> releases/<as-of date>-<run>

Readers open serving/current. It is a link that is replaced in one atomic rename; the time of the folder that it leaves
says when that was. Everything else that a killed run can
leave has a name that begins with a dot and tells the next one what it is::

    serving/releases/.building-<name>    was not whole yet
    serving/releases/.leaving-<name>     was being removed
    serving/.next -> releases/<name>     was whole, and about to become current
"""

import json
import os
import re
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import duckdb

from flows.steps.errors import RunStopped, first_line
from flows.steps.mart_files import MANIFEST, all_checksums, damage, read_manifest, write_marts
from flows.steps.operations_log import RUN_ID
from flows.steps.places import remove

BUILDING = ".building-"
LEAVING = ".leaving-"
NEXT = ".next"

# The name of a release. Anything with another name is somebody else's and is left alone.
NAME = re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}-{RUN_ID.pattern}")


def publish(
    warehouse: Path,
    serving: Path,
    as_of_date: date,
    run_id: str,
    code_version: str,
    sources: Sequence[str],
    keep: int,
    write_pages: Callable[[Path], None],
    before_readers_see_it: Callable[[], None] = lambda: None,
    grace: timedelta = timedelta(0),
    base: Path | None = None,
) -> Path:
    """Copy the marts into a new release and make it the current one.

    `base` is an earlier release, whose files are taken where the warehouse has the same (mart_files.py).
    `write_pages` adds what people read to the folder that it is given; the marts lie in it by then. Of the older
    releases `keep` less one stay, and those that were current within the time of `grace`: who took one for the current
    release then may still be reading it.

    Returns:
        The folder of the release.

    Raises:
        RunStopped: the release could not be written (no space, permission, memory, ...); the current one is as it was.
    """
    releases = _releases(serving)
    name = release_name(as_of_date, run_id)
    building = releases / f"{BUILDING}{name}"
    is_switching = False
    try:
        releases.mkdir(parents=True, exist_ok=True)
        sweep(serving)
        building.mkdir()
        marts = write_marts(warehouse, building, base)
        write_pages(building)
        manifest = {
            "as_of_date": str(as_of_date),
            "run_id": run_id,
            "code_version": code_version,
            "sources": list(sources),
            **marts,
            # Of the pages as well, so that missing, changed or added files are found.
            "checksums": all_checksums(building),
        }
        (building / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        _write_through(building)
        # From here on a link tells of the release that nobody has seen yet: a run that is killed before the last
        # rename leaves the link, and the next run removes the release that it names.
        (serving / NEXT).symlink_to(Path("releases") / name)
        release = building.rename(releases / name)
        before_readers_see_it()
        is_switching = True
        make_current(serving)
    except (OSError, duckdb.Error) as error:
        # What the warehouse has become by now must be seen: the next run points readers to it.
        if not is_switching:
            with suppress(OSError):
                sweep(serving)
        raise RunStopped(
            f"The release {releases / name} could not be written: {first_line(error)}. "
            "Readers still see the release before it. Make room there, give this user the right to write, or raise "
            "TESSERA_MEMORY where memory ran out, and run again."
        ) from error
    _forget_old(releases, release, keep, grace)
    return release


def roll_back(serving: Path, to: str | None = None) -> Path:
    """Make an earlier release the current one: the one before it, or the one named `to`.

    Raises:
        RunStopped: there is no such release, or it is not whole.
    """
    releases = [release for release in list_releases(serving) if _names_itself(release)]
    current = current_release(serving)
    if to:
        chosen = [release for release in releases if release.name == to]
    else:
        chosen = [release for release in releases if current and run_of(release) < run_of(current)][-1:]
    if not chosen:
        names = ", ".join(release.name for release in releases) or "none"
        wanted = f"called '{to}'" if to else "before the current one"
        raise RunStopped(f"There is no release {wanted} in {serving / 'releases'}. There are: {names}.")
    if found := damage(chosen[0]):
        raise RunStopped(f"The release {chosen[0].name} is damaged: {found[0]}. Readers keep the release they had.")
    _point_current_to(chosen[0], serving)
    return chosen[0]


def list_releases(serving: Path) -> list[Path]:
    """All whole releases, oldest first; what else somebody has put beside them is left alone."""
    return [release for release in every_release(serving) if (release / MANIFEST).is_file()]


def _releases(serving: Path) -> Path:
    """The folder of the releases itself, where `releases` is a link to it."""
    return (serving / "releases").resolve()


def every_release(serving: Path) -> list[Path]:
    """All releases, damaged ones as well, oldest first: the folders that are called as releases are."""
    folder = _releases(serving)
    own = folder.iterdir() if folder.is_dir() else ()
    return sorted((path for path in own if _is_own(path, folder)), key=lambda path: (run_of(path), path.name))


def _is_own(release: Path, releases: Path) -> bool:
    """Whether a path is a folder directly in that of the releases, and is called as a release is."""
    is_folder = release.is_dir() and not release.is_symlink()
    return is_folder and release.parent == releases and NAME.fullmatch(release.name) is not None


def _names_itself(release: Path) -> bool:
    """Whether the manifest of a release is of this one, not of another that was copied to its name."""
    manifest = read_manifest(release)
    return release.name == f"{manifest.get('as_of_date')}-{manifest.get('run_id')}"


def release_name(day: date, run_id: str) -> str:
    """The name of the release that a run makes as of a day."""
    return f"{day}-{run_id}"


def run_of(release: Path) -> str:
    """The run that made a release; its name is greater than those of all runs before it."""
    return release.name[len("YYYY-MM-DD-") :]


def day_of(release: Path) -> date:
    """The last day that a release tells of."""
    return date.fromisoformat(release.name[: len("YYYY-MM-DD")])


def names_of_runs(serving: Path) -> set[str]:
    """The runs that made what lies among the releases, whole or not."""
    folder = _releases(serving)
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return {name[-len("YYYYMMDDTHHMMSSZ") :] for name in names}


def current_release(serving: Path) -> Path | None:
    """The release that readers see, or None before the first."""
    link = serving / "current"
    return link.resolve() if link.exists() else None


def sweep(serving: Path) -> None:
    """Remove what runs that were killed left half-written or half-removed, and what they had not made current yet."""
    for path in serving.glob(f"{NEXT}*"):
        release = path.resolve()
        # Wherever the link leads, only a release is removed.
        if path.name == NEXT and _is_own(release, _releases(serving)) and release != current_release(serving):
            _remove(release)
        if path.is_symlink():
            path.unlink()
    for prefix in (BUILDING, LEAVING):
        for path in _releases(serving).glob(f"{prefix}*"):
            remove(path)


def forget_releases(serving: Path, names: Collection[str]) -> bool:
    """Remove the releases of these names, but for the current one; whether none of them is left.

    Raises:
        OSError: one could not be removed.
    """
    current = current_release(serving)
    named = [release for release in every_release(serving) if release.name in names]
    for release in named:
        if release != current:
            _remove(release)
    return current not in named


def waiting_release(serving: Path) -> Path | None:
    """The whole release that was about to become current when its run was killed, or None."""
    link = serving / NEXT
    release = link.resolve()
    is_whole = link.is_symlink() and _is_own(release, _releases(serving)) and (release / MANIFEST).is_file()
    return release if is_whole and release != current_release(serving) else None


def make_current(serving: Path) -> None:
    """Make the waiting release the current one."""
    _turn_to(serving / NEXT, serving)


def _write_through(folder: Path) -> None:
    """Have the disk hold every file before the name that promises them exists."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _point_current_to(release: Path, serving: Path) -> None:
    # Not the link that tells of a release nobody has seen: this one was current before.
    link = serving / f"{NEXT}-{os.getpid()}"
    link.symlink_to(Path("releases") / release.name)
    _turn_to(link, serving)


def _turn_to(link: Path, serving: Path) -> None:
    """Make the release that a link names the current one, and note at the one before it that readers leave it now."""
    # A release of another user may not take the note; readers get the new one all the same.
    with suppress(OSError):
        if left := current_release(serving):
            os.utime(left)
    link.replace(serving / "current")


def _forget_old(releases: Path, current: Path, keep: int, grace: timedelta) -> None:
    whole = list_releases(releases.parent)
    for release in whole[: max(len(whole) - keep, 0)]:
        with suppress(OSError):
            age = time.time() - release.stat().st_mtime
            if age < 0:
                # The clock was ahead: from now on its time counts.
                os.utime(release)
            if release != current and age >= grace.total_seconds():
                _remove(release)


def _remove(release: Path) -> None:
    """Remove a release so that it is never taken for a whole one, whenever this is interrupted."""
    leaving = release.rename(release.with_name(f"{LEAVING}{release.name}"))
    remove(leaving)

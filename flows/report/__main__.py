"""Writes a release's report again: python -m flows.report FOLDER [--release NAME] [--interactive]."""

import argparse
import sys
from pathlib import Path

from flows.report import page
from flows.steps.command import run_command
from flows.steps.errors import RunStopped
from flows.steps.project import Project
from flows.steps.release import current_release, day_of, list_releases


def main() -> int:
    """Write it and print where it lies."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.report", description="Write the report of a release once more, into another folder."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where index.html goes")
    parser.add_argument("--release", metavar="NAME", help="a folder in serving/releases; without it the current one")
    parser.add_argument(
        "--interactive", action="store_true", help="charts answer the pointer: the page carries scripts, 1.2 MB more"
    )
    arguments = parser.parse_args()
    return run_command(lambda: report_of(arguments.folder, arguments.release, arguments.interactive))


def report_of(folder: Path, name: str | None = None, interactive: bool = False, project: Project | None = None) -> str:
    """Write the report of a release; returns where it lies.

    Raises:
        RunStopped: there is no such release, or the folder is one of the releases, which never change.
    """
    serving = (project or Project()).serving
    releases = list_releases(serving)
    current = current_release(serving)
    chosen = [each for each in releases if (each.name == name if name else each == current)]
    if not releases:
        raise RunStopped(f"There is no release yet in {serving / 'releases'}. Make one: python -m flows.daily.")
    if not chosen:
        known = ", ".join(each.name for each in releases)
        raise RunStopped(f"There is no release {name} in {serving / 'releases'}. There are: {known}.")
    if folder.resolve().is_relative_to((serving / "releases").resolve()):
        raise RunStopped(f"{folder} lies among the releases, which never change. Name another folder.")
    (release,) = chosen
    before = releases[: releases.index(release)]
    as_of_before = day_of(before[-1]) if before else None
    return str(page.write(release / "tessera.duckdb", folder, release.name, as_of_before, interactive))


if __name__ == "__main__":
    sys.exit(main())

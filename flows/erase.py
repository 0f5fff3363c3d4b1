"""The erase flow: take customers out of everything that is stored of them, and release what is left.

python -m flows.erase --customers FILE --reason TEXT [--vars YAML]

FILE lists their keys: one per line, CSV with a column customer_id, or JSON lines; - reads them from standard input.
Keys are not command arguments, because shells, process lists and Prefect record those.

It exits with status 3 if it found no data for some of the keys; the others are erased.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import duckdb

from flows.steps.api import call_flow
from flows.steps.command import run_command
from flows.steps.erasure import (
    CustomerId,
    Erasure,
    NotFound,
    find_customers,
    key_type_of,
    lines_text,
    may_quote,
    outdated_files,
    read_customers,
)
from flows.steps.errors import RunStopped, first_line
from flows.steps.lock import held_open, is_lock_conflict
from flows.steps.pipeline import CONSOLE, Job, run_flow, tidy
from flows.steps.project import Project
from flows.steps.watch import flow
from flows.steps.window import resolve_erasure


@flow("erase")
def erase(customers: str, reason: str, vars: str | None = None) -> str:
    """Erase customers from the warehouse and from all releases; returns the new release.

    Args:
        customers: a file with their keys; - is standard input.
        reason: why; ops_runs shows it with the number of customers.
        vars: dbt vars that differ from dbt_project.yml, as YAML.

    Raises:
        NotFound: some of them are in no table; the others are erased.
        RunStopped: a step failed; what readers see is as it was.
    """
    if not reason.strip():
        raise RunStopped('Say why they are erased: --reason "..."; ops_runs will show it.')
    missing: list[int] = []
    told = run_flow("erase", vars, lambda project: _find(project, customers, reason.strip(), missing))
    if missing:
        raise NotFound(f"{told}. {_nothing_of(missing)}")
    return told


def _find(project: Project, customers: str, reason: str, missing: list[int]) -> Job | str:
    """What there is to erase; adds to `missing` the lines of keys without data."""
    # An earlier erasure may have been killed halfway.
    tidy(project)
    key_type = project.vars["customer_id_type"]
    lines = read_customers(_content(customers), key_type)
    try:
        window = resolve_erasure(project)
        if (built_with := key_type_of(project.warehouse)) != key_type:
            raise RunStopped(f"vars: customer_id_type is {key_type}, but the warehouse has keys of type {built_with}.")
        found = set().union(*find_customers(project.warehouse, lines, key_type).values())
        missing += _lines_without(lines, found)
        if not found and not may_quote(project.warehouse, lines):
            return "Nothing to erase"
    except duckdb.Error as error:
        if is_lock_conflict(error):
            raise RunStopped(held_open(project.warehouse, error)) from error
        raise RunStopped(
            f"The warehouse {project.warehouse} cannot be read: {first_line(error)}. `make doctor` says what to do."
        ) from error
    if missing:
        CONSOLE.print(_nothing_of(missing))
    return Job(
        window,
        "erase",
        Erasure(project.warehouse, reason, tuple(lines), key_type, len(found), outdated_files(project)),
    )


def _lines_without(lines: Mapping[CustomerId, int], found: set[CustomerId]) -> list[int]:
    return [line for key, line in lines.items() if key not in found]


def _nothing_of(missing: list[int]) -> str:
    count = f"{len(missing):,} customer{'s' if len(missing) != 1 else ''}"
    return (
        f"{lines_text(missing)} of the list: nothing was found of {count}. "
        "Compare the keys with your sources, letter by letter; customers erased earlier are not found either."
    )


def _content(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def main() -> int:
    """Run the flow from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.erase", description="Take customers out of everything that is stored of them."
    )
    parser.add_argument(
        "--customers",
        metavar="FILE",
        required=True,
        help="their keys: one per line, CSV with a column customer_id, or JSON lines; - is standard input",
    )
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why; ops_runs will show it")
    parser.add_argument("--vars", metavar="YAML", help="dbt vars, such as '{sources: [files], files_folder: data}'")
    arguments = parser.parse_args()
    return run_command(lambda: call_flow(erase, **vars(arguments)))


if __name__ == "__main__":
    sys.exit(main())

"""The erase flow: take customers out of everything that is stored of them, and release what is left.

python -m flows.erase --customers FILE --reason TEXT [--vars YAML]

FILE has their keys, one a line; - reads them from standard input. Keys are not taken as arguments: these are kept by
shells, process lists and Prefect.
"""

import argparse
import sys
from pathlib import Path

import duckdb
from prefect import flow

from flows.steps.api import call_flow
from flows.steps.command import run_command
from flows.steps.erasure import Erasure, find_customers, is_quoted, key_type_of, read_customers
from flows.steps.errors import RunStopped, first_line
from flows.steps.lock import held_open, is_lock_conflict
from flows.steps.pipeline import CONSOLE, Job, run_flow, tidy
from flows.steps.project import Project
from flows.steps.window import resolve_erasure


@flow(name="erase", log_prints=False)
def erase(customers: str, reason: str, vars: str | None = None) -> str:
    """Erase customers from the warehouse and from all releases; returns the new release, or why there is none.

    Args:
        customers: a file with their keys, one a line; - is standard input.
        reason: why; ops_runs shows it, with how many they are.
        vars: dbt vars that differ from dbt_project.yml, as YAML.
    """
    if not reason.strip():
        raise RunStopped('Say why they are erased: --reason "..."; ops_runs will show it.')
    return run_flow("erase", vars, lambda project: _find(project, customers, reason.strip()))


def _find(project: Project, customers: str, reason: str) -> Job | str:
    # An erasure before this one may have been killed on its way.
    tidy(project)
    key_type = project.vars["customer_id_type"]
    keys = read_customers(_lines(customers), key_type)
    try:
        window = resolve_erasure(project)
        if (built_with := key_type_of(project.warehouse)) != key_type:
            raise RunStopped(f"vars: customer_id_type is {key_type}, but the warehouse has keys of type {built_with}.")
        found = set().union(*find_customers(project.warehouse, keys).values())
        if not found and not is_quoted(project.warehouse, keys):
            return f"Nothing to erase: the warehouse has none of these {len(keys):,} customers."
    except duckdb.Error as error:
        if is_lock_conflict(error):
            raise RunStopped(held_open(project.warehouse, error)) from error
        raise RunStopped(
            f"The warehouse {project.warehouse} cannot be read: {first_line(error)}. `make doctor` says what to do."
        ) from error
    if unknown := len(keys) - len(found):
        CONSOLE.print(f"{unknown:,} of these {len(keys):,} customers are in no table of the warehouse.")
    return Job(window, "erase", Erasure(project.warehouse, reason, keys, key_type, found=len(found)))


def _lines(file: str) -> list[str]:
    if file == "-":
        return sys.stdin.readlines()
    try:
        # Whatever wrote it may have put a mark before the first key that says so.
        return Path(file).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise RunStopped(f"{file} is no text in UTF-8: {error.reason}. Save it as UTF-8.") from error


def main() -> int:
    """Run the flow from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.erase", description="Take customers out of everything that is stored of them."
    )
    parser.add_argument(
        "--customers", metavar="FILE", required=True, help="their keys, one a line; - is standard input"
    )
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why; ops_runs will show it")
    parser.add_argument("--vars", metavar="YAML", help="dbt vars, such as '{sources: [files], files_folder: data}'")
    arguments = parser.parse_args()
    return run_command(lambda: call_flow(erase, **vars(arguments)))


if __name__ == "__main__":
    sys.exit(main())

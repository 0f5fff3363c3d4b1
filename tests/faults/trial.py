"""What becomes of one case: the disturbed run, the runs after it, and what is compared then."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from flows.steps.erasure import NotFound
from tests.faults.cases import Case
from tests.faults.lab import (
    DAILY,
    ERASURE,
    NEXT_DAY,
    PUBLISHED,
    Bench,
    Command,
    current_problem,
    mart_differences,
    strays,
    unfinished_runs,
    warehouse_differences,
)

DAYS: Mapping[date, str] = {PUBLISHED: "old", NEXT_DAY: "new"}


@dataclass
class Outcome:
    """What was seen of a case; it holds where nothing is wrong.

    Attributes:
        current: what readers had after the disturbed run: the old or the new release, or broken.
        ended: how the disturbed run ended: killed, stopped (with a message) or released.
        next_ok, marts_equal, clean: what the runs after it came to.
        wrong: everything that does not hold, in words.
    """

    case: Case
    current: str = ""
    ended: str = ""
    next_ok: bool = False
    marts_equal: bool = False
    clean: bool = False
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


def attempt(case: Case, bench: Bench, reference: Bench) -> Outcome:
    """Disturb a run, run again, and compare with what runs that were not disturbed have left as the reference."""
    outcome, begun = Outcome(case), time.monotonic()
    bench.lay_out(command=case.command)
    fault = case.fault
    try:
        fault.prepare(bench)
        _disturb(outcome, bench)
        fault.repair(bench)
        for command in undisturbed(case.command, case.then == "again"):
            ended = bench.run(command=command)
            # Asked for again after the next command finished it, an erasure finds nobody.
            outcome.next_ok = ended.status in ((0, NotFound.status) if command == ERASURE else (0,))
            if not outcome.next_ok:
                outcome.wrong.append(f"the next {command.name} ended with {ended.status}: {_last(ended.output)}")
                break
        else:
            _compare(outcome, bench, reference)
    except Exception as error:
        outcome.wrong.append(f"{type(error).__name__}: {error}")
    finally:
        fault.clear(bench)
    outcome.seconds = time.monotonic() - begun
    return outcome


def _disturb(outcome: Outcome, bench: Bench) -> None:
    case = outcome.case
    ended = bench.run(case.place, case.fault.act, command=case.command, api_url=case.fault.api_url)
    outcome.ended = {0: "released", 1: "stopped"}.get(ended.status, "killed" if ended.status == -9 else "?")
    outcome.current, problem = _seen(case.command, bench)
    if problem:
        outcome.wrong.append(problem)
    if not ended.reached and (case.place.line or case.place.event):
        outcome.wrong.append("the run ended before the place was reached")
    if case.says and not (ended.status == 1 and re.search(case.says, ended.message)):
        outcome.wrong.append(f"it should have stopped and said '{case.says}': {ended.status}: {_last(ended.output)}")
    if case.says and outcome.current != "old":
        outcome.wrong.append("it stopped, but readers see a new release")
    if case.released and not (ended.status == 0 and outcome.current == "new"):
        outcome.wrong.append(f"it should have released: {ended.status}: {_last(ended.output)}")


def _seen(command: Command, bench: Bench) -> tuple[str, str | None]:
    """Which release is current after a command, and what is wrong with it."""
    if command == DAILY:
        return current_problem(bench, DAYS)
    # A rewrite releases a day that was released before: the folder tells which of the two it is.
    before, now = ((folder / "serving" / "current").resolve().name for folder in (bench.base, bench.folder))
    return current_problem(bench, {PUBLISHED: "old" if now == before else "new"})


def undisturbed(command: Command, is_run: bool) -> list[Command]:
    """What is run undisturbed: a command that rewrites published days, if it is, and the day that waits."""
    return [command, DAILY] if is_run and command != DAILY else [DAILY]


def _compare(outcome: Outcome, bench: Bench, reference: Bench) -> None:
    current, problem = current_problem(bench, DAYS)
    if problem or current != "new":
        outcome.wrong.append(problem or "readers still see the old release after the next run")
        return
    differences = mart_differences(bench.serving, reference.serving)
    outcome.marts_equal = not differences
    lying = strays(bench, reference)
    lying += [f"warehouse: {found}" for found in warehouse_differences(bench.warehouse, reference.warehouse)]
    lying += [f"operations.runs: {found}" for found in unfinished_runs(bench.warehouse)]
    outcome.clean = not lying
    outcome.wrong += [f"mart {found}" for found in differences] + lying


def _last(output: str) -> str:
    return " / ".join(line.strip() for line in output.strip().splitlines()[-3:])[-400:]

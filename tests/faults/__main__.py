"""Disturbs runs in every way that is to be feared, and writes docs/faults.md about it.

python -m tests.faults [--runs N] [--minutes N] [--jobs N] [--seed N] [--only WORDS] [--releases N] [--readers N]

Each case is a real run on a small shop as a process of its own, with one fault, and runs after it without: the daily
run, or a command that rewrites published days. See tests.faults.cases for the faults and tests.faults.trial for what
has to hold. It lies among the tests because it judges; `make test` runs a small part of it. Exits with 1 where
something does not hold.
"""

import argparse
import os
import queue
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import product, repeat

from flows.steps.project import ROOT, Project
from tests.faults.api import prefect_server
from tests.faults.cases import Case, erasure_faults, other_faults, random_kills, restatement_faults, step_kills
from tests.faults.lab import (
    DAILY,
    PUBLISHED,
    Bench,
    Command,
    mart_differences,
    strays,
    warehouse_differences,
)
from tests.faults.readers import KINDS, Seen, reading
from tests.faults.report import READERS_TITLE, Session, write_readers, write_report
from tests.faults.trial import Outcome, attempt, undisturbed

FOLDER = ROOT / "build" / "faults"
REPORT = ROOT / "docs" / "faults.md"


def make_base(bench: Bench) -> None:
    """Publish the shop's first days, with as many releases behind them as are kept."""
    bench.lay_out(PUBLISHED)
    ended = bench.run()
    if ended.status != 0:
        sys.exit(f"The base could not be built:\n{ended.output}")
    release = (bench.serving / "current").resolve()
    for day in range(5, 9):
        shutil.copytree(release, release.with_name(f"2024-04-{day:02}-20240101T{day:06}Z"))
    # Readers left them long ago, so that the next run may remove the oldest.
    for left in release.parent.iterdir():
        os.utime(left, (0, 0))
    bench.base.mkdir(parents=True)
    for name in ("warehouse", "serving"):
        shutil.copytree(bench.folder / name, bench.base / name, symlinks=True)


def make_reference(bench: Bench, command: Command, is_done: bool) -> float:
    """Run undisturbed and keep what came of it beside the bench; returns the seconds of the daily run.

    Args:
        bench: where.
        command: what the delivered files are for.
        is_done: whether it is run, before the day that waits.
    """
    bench.lay_out(command=command)
    for each in undisturbed(command, is_done):
        ended = bench.run(command=each)
        if ended.status != 0:
            sys.exit(f"The undisturbed {each.name} failed:\n{ended.output}")
    reference = reference_of(bench, command, is_done)
    for name in ("warehouse", "serving", "target", "tmp", "files"):
        shutil.copytree(bench.folder / name, reference.folder / name, symlinks=True)
    return ended.seconds


def make_references(bench: Bench, rewrites: Sequence[Command]) -> float:
    """Make the references of the daily run and of commands that rewrite; returns the seconds of the daily run."""
    bench.lay_out()
    ended = bench.run()
    if ended.status != 0:
        sys.exit(f"The undisturbed run failed:\n{ended.output}")
    # Everything else runs as every case does: with everything parsed.
    bench.keep_target()
    for command in rewrites:
        for is_done in (True, False):
            make_reference(bench, command, is_done)
    return make_reference(bench, DAILY, True)


def reference_of(bench: Bench, command: Command, is_done: bool) -> Bench:
    """Where what undisturbed runs left is kept."""
    name = f"reference-{command.name.replace(' ', '-')}{'' if is_done else '-not-done'}"
    return Bench(bench.folder / name, bench.base, bench.api_port)


def fixed_cases() -> list[Case]:
    """All cases but those at random instants."""
    return [*step_kills(), *other_faults(), *restatement_faults(), *erasure_faults()]


def all_cases(runs: int, seed: int, seconds: float) -> list[Case]:
    """The fixed cases, and kills at random instants up to the number of runs; a seeded choice where that is fewer."""
    fixed = fixed_cases()
    if runs <= len(fixed):
        # In their order, which the report keeps.
        return sorted(random.Random(seed).sample(fixed, runs), key=fixed.index)
    return fixed + list(random_kills(seed, runs - len(fixed), seconds))


def wanted(cases: list[Case], only: str | None) -> list[Case]:
    """The cases whose name fits a regular expression, if there is one."""
    return [case for case in cases if not only or re.search(only, f"{case.kind}: {case.name}")]


def whole_kinds(outcomes: list[Outcome]) -> set[str]:
    """The kinds of which every fixed case was run."""
    run = {(outcome.case.kind, outcome.case.name) for outcome in outcomes}
    missing = {case.kind for case in fixed_cases() if (case.kind, case.name) not in run}
    return {kind for kind, _ in run} - missing


def run_all(cases: list[Case], benches: list[Bench], minutes: float) -> list[Outcome]:
    """Run the cases, one at a time on each bench, and say how each ended; none is begun after so many minutes.

    The long ones come first, so that no bench waits for them at the end.
    """
    deadline = time.monotonic() + 60 * minutes
    free: queue.Queue[Bench] = queue.Queue()
    for bench in benches:
        free.put(bench)
    done = 0

    def one(case: Case) -> Outcome | None:
        nonlocal done
        if time.monotonic() > deadline:
            return None
        bench = free.get()
        try:
            outcome = attempt(case, bench, reference_of(bench, case.command, case.then != "forgotten"))
        finally:
            free.put(bench)
        done += 1
        holds = "holds" if not outcome.wrong else f"DOES NOT HOLD: {'; '.join(outcome.wrong)}"
        print(
            f"{done:3}/{len(cases)} {outcome.seconds:6.1f} s  {case.kind}: {case.name}: "
            f"{outcome.ended}, current {outcome.current}: {holds}",
            flush=True,
        )
        return outcome

    with ThreadPoolExecutor(len(benches)) as pool:
        outcomes = pool.map(one, sorted(cases, key=lambda case: case.command == DAILY))
    return sorted((outcome for outcome in outcomes if outcome), key=lambda outcome: cases.index(outcome.case))


def release_under_readers(bench: Bench, releases: int, readers: int) -> Seen:
    """Run one daily run after the other while processes read; returns what they saw."""
    days = [PUBLISHED + timedelta(days=number + 1) for number in range(releases)]
    bench.lay_out(days[-1] if days else PUBLISHED)
    kinds = [list(KINDS)[number % len(KINDS)] for number in range(readers)]
    with reading(bench.serving, kinds, pause=1.0) as seen:
        for day in days:
            ended = bench.run(command=replace(DAILY, arguments=("--as-of", str(day))))
            print(f"released under readers: {day}, {ended.seconds:.0f} s, status {ended.status}", flush=True)
            if ended.status != 0:
                seen.failed.append(f"the run of {day} ended with {ended.status}")
    return seen


def become_root() -> None:
    """Start again as the root of a user namespace, where this user is none and may: a full disk has to be mounted."""
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if os.geteuid() != 0 and subprocess.run([*namespace, "true"], check=False).returncode == 0:
        os.execvp(namespace[0], [*namespace, sys.executable, "-m", "tests.faults", *sys.argv[1:]])


def main() -> int:
    """Build the base, run all cases, write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Disturb runs.")
    parser.add_argument("--runs", type=int, default=98, metavar="N", help="disturbed runs (default 98)")
    parser.add_argument("--minutes", type=float, default=600, metavar="N", help="begin no run after so many minutes")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="runs at a time (default 2)")
    parser.add_argument("--seed", type=int, default=4, metavar="N", help="of the random instants (default 4)")
    parser.add_argument("--releases", type=int, default=10, metavar="N", help="daily runs under readers (default 10)")
    parser.add_argument("--readers", type=int, default=8, metavar="N", help="processes that read (default 8)")
    parser.add_argument("--only", metavar="WORDS", help="cases whose `kind: name` fits this regular expression")
    arguments = parser.parse_args()

    become_root()
    begun = time.monotonic()
    for folder in FOLDER.glob("bench-*/*"):
        # What was mounted when the harness itself was killed.
        if folder.is_mount():
            subprocess.run(["umount", str(folder)], check=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    there = {path.name for path in ROOT.iterdir()}
    with prefect_server(FOLDER / "prefect") as port:
        benches = [Bench(FOLDER / f"bench-{n}", FOLDER / "base", port) for n in range(1, arguments.jobs + 1)]
        for bench in benches:
            bench.folder.mkdir(parents=True)
        print("Publishing the base ...", flush=True)
        make_base(benches[0])
        print("Running undisturbed ...", flush=True)
        rewrites = {case.command: None for case in wanted(fixed_cases(), arguments.only) if case.command != DAILY}
        with ThreadPoolExecutor(arguments.jobs) as pool:
            seconds = max(pool.map(make_references, benches, repeat(list(rewrites))))
        wrong = []
        for command, is_done in [(DAILY, True), *product(rewrites, (True, False))]:
            first, *others = (reference_of(bench, command, is_done) for bench in benches)
            for other in others:
                wrong += mart_differences(other.serving, first.serving)
                wrong += warehouse_differences(other.warehouse, first.warehouse) + strays(other, first)
        for command in rewrites:
            done, not_done = (reference_of(benches[0], command, is_done) for is_done in (True, False))
            if not mart_differences(done.serving, not_done.serving):
                sys.exit(f"The {command.name} changes nothing, so that nothing could be seen of it.")
        if wrong:
            sys.exit(f"Two undisturbed runs differ: {'; '.join(wrong)}")
        print(f"An undisturbed run takes {seconds:.0f} s.", flush=True)
        cases = wanted(all_cases(arguments.runs, arguments.seed, seconds), arguments.only)
        outcomes = run_all(cases, benches, arguments.minutes)
        session = Session(Project().code_version, arguments.jobs, arguments.seed, seconds)
        # Now, for the readers take minutes more.
        write_report(REPORT, outcomes, session, whole_kinds(outcomes))
        seen = None
        if not arguments.only or re.search(arguments.only, READERS_TITLE):
            seen = release_under_readers(benches[0], arguments.releases, arguments.readers)
    broken = [outcome for outcome in outcomes if outcome.wrong]
    left = sorted({path.name for path in ROOT.iterdir()} - there - {"build", ".ruff_cache"})
    if left:
        print(f"Left in the project's folder: {', '.join(left)}")
    print(f"{len(outcomes)} disturbed runs, {len(broken)} of which do not hold, in {time.monotonic() - begun:.0f} s.")
    if seen is not None:
        write_readers(REPORT, seen, arguments.releases, arguments.readers)
        print(f"Readers: {seen.queries} queries, {len(seen.failed)} failed, {len(seen.mixed)} mixed two releases.")
        print(*sorted({*seen.failed, *seen.mixed})[:10], sep="\n")
    print(f"Written: {REPORT}")
    readers_fail = seen is not None and (seen.failed or seen.mixed or len(seen.days) <= arguments.releases)
    return 1 if broken or left or readers_fail else 0


if __name__ == "__main__":
    sys.exit(main())

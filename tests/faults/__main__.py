"""Disturbs the daily run in every way that is to be feared, and writes docs/reliability.md about it.

python -m tests.faults [--runs N] [--minutes N] [--jobs N] [--seed N] [--only WORDS] [--releases N] [--readers N]

Each case is a real daily run of a small shop as a process of its own, with one fault, and a run after it without; see
tests.faults.cases for the faults and tests.faults.trial for what has to hold. It lies among the tests because it
judges; `make test` runs a small part of it. Exits with 1 where something does not hold.
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
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from flows.steps.project import ROOT
from tests.faults.api import prefect_server
from tests.faults.cases import Case, other_faults, random_kills, step_kills
from tests.faults.lab import PUBLISHED, Bench, mart_differences, strays, warehouse_differences
from tests.faults.readers import KINDS, Seen, reading
from tests.faults.report import Session, write_report
from tests.faults.trial import Outcome, attempt

FOLDER = ROOT / "build" / "faults"
REPORT = ROOT / "docs" / "reliability.md"


def make_base(bench: Bench) -> None:
    """Publish the shop's first days, with as many releases behind them as are kept."""
    bench.lay_out(PUBLISHED)
    ended = bench.run()
    if ended.status != 0:
        sys.exit(f"The base could not be built:\n{ended.output}")
    release = (bench.serving / "current").resolve()
    for day in range(5, 9):
        shutil.copytree(release, release.with_name(f"2024-04-{day:02}-20240101T{day:06}Z"))
    # Long ago, so that the next run may remove the oldest.
    for manifest in release.parent.glob("*/manifest.json"):
        os.utime(manifest, (0, 0))
    bench.base.mkdir(parents=True)
    for name in ("warehouse", "serving"):
        shutil.copytree(bench.folder / name, bench.base / name, symlinks=True)


def make_reference(bench: Bench) -> float:
    """Run undisturbed and keep what came of it as `reference` beside the bench; returns the seconds."""
    bench.lay_out()
    ended = bench.run()
    if ended.status != 0:
        sys.exit(f"The undisturbed run failed:\n{ended.output}")
    bench.keep_target()
    # Once more, as every case runs: with everything parsed.
    bench.lay_out()
    ended = bench.run()
    if ended.status != 0:
        sys.exit(f"The undisturbed run failed:\n{ended.output}")
    reference = reference_of(bench)
    for name in ("warehouse", "serving", "target", "tmp", "files"):
        shutil.copytree(bench.folder / name, reference.folder / name, symlinks=True)
    return ended.seconds


def reference_of(bench: Bench) -> Bench:
    """Where what an undisturbed run left is kept."""
    return Bench(bench.folder / "reference", bench.base, bench.api_port)


def all_cases(runs: int, seed: int, seconds: float) -> list[Case]:
    """The fixed cases, and kills at random instants up to the number of runs; a seeded choice where that is fewer."""
    fixed = [*step_kills(), *other_faults()]
    if runs <= len(fixed):
        # In their order, which the report keeps.
        return sorted(random.Random(seed).sample(fixed, runs), key=fixed.index)
    return fixed + list(random_kills(seed, runs - len(fixed), seconds))


def run_all(cases: list[Case], benches: list[Bench], minutes: float) -> list[Outcome]:
    """Run the cases, one at a time on each bench, and say how each ended; none is begun after so many minutes."""
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
            outcome = attempt(case, bench, reference_of(bench))
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
        return [outcome for outcome in pool.map(one, cases) if outcome]


def release_under_readers(bench: Bench, releases: int, readers: int) -> Seen:
    """Run one daily run after the other while processes read; returns what they saw."""
    days = [PUBLISHED + timedelta(days=number + 1) for number in range(releases)]
    bench.lay_out(days[-1] if days else PUBLISHED)
    kinds = [list(KINDS)[number % len(KINDS)] for number in range(readers)]
    with reading(bench.serving, kinds, pause=1.0) as seen:
        for day in days:
            ended = bench.run(arguments=["--as-of", str(day)])
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
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Disturb the daily run.")
    parser.add_argument("--runs", type=int, default=80, metavar="N", help="disturbed runs (default 80)")
    parser.add_argument("--minutes", type=float, default=600, metavar="N", help="begin no run after so many minutes")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="runs at a time (default 2)")
    parser.add_argument("--seed", type=int, default=4, metavar="N", help="of the random instants (default 4)")
    parser.add_argument("--releases", type=int, default=10, metavar="N", help="daily runs under readers (default 10)")
    parser.add_argument("--readers", type=int, default=8, metavar="N", help="processes that read (default 8)")
    parser.add_argument("--only", metavar="WORDS", help="cases whose name fits this regular expression; no report")
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
        with ThreadPoolExecutor(arguments.jobs) as pool:
            seconds = max(pool.map(make_reference, benches))
        first = reference_of(benches[0])
        wrong = []
        for other in map(reference_of, benches[1:]):
            wrong += mart_differences(other.serving, first.serving)
            wrong += warehouse_differences(other.warehouse, first.warehouse) + strays(other, first)
        if wrong:
            sys.exit(f"Two undisturbed runs differ: {'; '.join(wrong)}")
        print(f"An undisturbed run takes {seconds:.0f} s.", flush=True)
        cases = all_cases(arguments.runs, arguments.seed, seconds)
        if arguments.only:
            cases = [case for case in cases if re.search(arguments.only, f"{case.kind}: {case.name}")]
        outcomes = run_all(cases, benches, arguments.minutes)
        seen = None if arguments.only else release_under_readers(benches[0], arguments.releases, arguments.readers)
    broken = [outcome for outcome in outcomes if outcome.wrong]
    left = sorted({path.name for path in ROOT.iterdir()} - there - {"build", ".ruff_cache"})
    if left:
        print(f"Left in the project's folder: {', '.join(left)}")
    print(f"{len(outcomes)} disturbed runs, {len(broken)} of which do not hold, in {time.monotonic() - begun:.0f} s.")
    if seen is not None:
        known = max(len(cases), len([*step_kills(), *other_faults()]))
        session = Session(arguments.jobs, arguments.seed, known, seconds, time.monotonic() - begun)
        write_report(REPORT, outcomes, session, seen, arguments.releases, arguments.readers)
        print(f"Readers: {seen.queries} queries, {len(seen.failed)} failed, {len(seen.mixed)} mixed two releases.")
        print(*sorted({*seen.failed, *seen.mixed})[:10], f"Written: {REPORT}", sep="\n")
    readers_fail = seen is not None and (seen.failed or seen.mixed or len(seen.days) <= arguments.releases)
    return 1 if broken or left or readers_fail else 0


if __name__ == "__main__":
    sys.exit(main())

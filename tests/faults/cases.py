"""The faults: what is done to a run, where, and what has to follow."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flows.steps.rewrite import FOLDER as COPY
from tests.faults.api import Line, free_port
from tests.faults.lab import DAILY, ERASURE, NEXT_DAY, RESTATEMENT, Bench, Command, Place, kill
from tests.python.shop import read_rows, write_rows, write_shop

MIB = 1 << 20

# What a run says that has no room, or no right to read or write.
FULL = "No space|ENOSPC|disk|File too large|could not be written"
DENIED = "Permission denied|cannot be read|could not be written|there is no file"

# What follows a command that rewrites published days. It is run again, or it is not, since the daily run finds it done
# or finishes it, or finds the history as it was.
Then = Literal["again", "finished", "forgotten"]
THEN: Mapping[Then, str] = {
    "again": "then again",
    "finished": "then the daily run, and it counts",
    "forgotten": "then the daily run, and nothing is left of it",
}


class Fault:
    """What is done to a run, and undone before the next one. Each case has an object of its own."""

    # Prefect's API of the run, where it is not the bench's.
    api_url: str | None = None

    def prepare(self, bench: Bench) -> None:
        """Before the run."""

    def act(self, bench: Bench, process: subprocess.Popen) -> None:
        """At the case's place."""

    def repair(self, bench: Bench) -> None:
        """After the run and before the next: what a person would do outside the warehouse, such as making room."""

    def clear(self, bench: Bench) -> None:
        """After everything was looked at."""


class Killed(Fault):
    """SIGKILL to the flow's process alone, so that its dbt lives on, or to its whole group."""

    def __init__(self, group: bool) -> None:
        self.group = group

    def act(self, bench: Bench, process: subprocess.Popen) -> None:
        kill(process, group=self.group)


class KilledWithTornFile(Killed):
    """SIGKILL to the group, after which the last bytes of a file are missing."""

    def __init__(self, file: str, missing: int) -> None:
        super().__init__(group=True)
        self.file, self.missing = file, missing
        self.torn = False

    def act(self, bench: Bench, process: subprocess.Popen) -> None:
        file = bench.folder / self.file
        deadline = time.monotonic() + 60
        while not self.torn and process.poll() is None and time.monotonic() < deadline:
            # The file comes and goes: look while nobody moves.
            os.killpg(process.pid, signal.SIGSTOP)
            if file.exists() and file.stat().st_size > 2 * self.missing:
                kill(process, group=True)
                os.truncate(file, file.stat().st_size - self.missing)
                self.torn = True
            else:
                os.killpg(process.pid, signal.SIGCONT)
                time.sleep(0.005)

    def repair(self, bench: Bench) -> None:
        if not self.torn:
            raise RuntimeError(f"There was no {self.file} to tear.")


class DiskFull(Fault):
    """A disk of its own (tmpfs) for a folder, which something else fills but for `left` bytes."""

    def __init__(self, name: str, left: int) -> None:
        self.name, self.left = name, left
        self.mounted = False

    def prepare(self, bench: Bench) -> None:
        folder = bench.folder / self.name
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(folder)], check=True)
        self.mounted = True
        shutil.copytree(bench.base / self.name, folder, symlinks=True, dirs_exist_ok=True)

    def act(self, bench: Bench, process: subprocess.Popen) -> None:
        file = self._filler(bench)
        with suppress(OSError), file.open("wb", buffering=0) as filler:
            while filler.write(bytes(MIB // 4)):
                pass
        with suppress(OSError), file.open("ab", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        os.truncate(file, max(file.stat().st_size - self.left, 0))

    def repair(self, bench: Bench) -> None:
        self._filler(bench).unlink()

    def clear(self, bench: Bench) -> None:
        if self.mounted:
            subprocess.run(["umount", str(bench.folder / self.name)], check=True)

    def _filler(self, bench: Bench) -> Path:
        return bench.folder / self.name / "filler"


class AccessTaken(Fault):
    """A path whose mode does not let the run in any more."""

    def __init__(self, path: str, mode: int) -> None:
        self.path, self.mode = path, mode

    def act(self, bench: Bench, process: subprocess.Popen) -> None:
        self.before = (bench.folder / self.path).stat().st_mode
        (bench.folder / self.path).chmod(self.mode)

    def repair(self, bench: Bench) -> None:
        (bench.folder / self.path).chmod(self.before)


class BadDelivery(Fault):
    """A file delivered wrong, and delivered again before the next run."""

    def __init__(self, spoil) -> None:
        self.spoil = spoil

    def prepare(self, bench: Bench) -> None:
        self.spoil(bench.files)

    def repair(self, bench: Bench) -> None:
        write_shop(bench.files, NEXT_DAY)


class BrokenCheck(Fault):
    """A suite that raises; the case's place names it."""


class Held(Fault):
    """The warehouse's file held open by another process, for some seconds or until the run has ended."""

    def __init__(self, read_only: bool, seconds: float | None = None) -> None:
        self.read_only, self.seconds = read_only, seconds
        self.holder: subprocess.Popen | None = None

    def act(self, bench: Bench, process: subprocess.Popen) -> None:
        code = (
            "import duckdb, sys, time\n"
            "deadline = time.monotonic() + 60\n"
            "while True:\n"
            "    try:\n"
            "        held = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == 'True'); break\n"
            "    except duckdb.IOException:\n"
            "        assert time.monotonic() < deadline; time.sleep(0.001)\n"
            "print('held', flush=True); time.sleep(float(sys.argv[3]))"
        )
        arguments = [str(bench.warehouse), str(self.read_only), str(self.seconds or 900)]
        self.holder = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout is not None
        if self.holder.stdout.readline() != "held\n":
            raise RuntimeError("The warehouse could not be held.")

    def repair(self, bench: Bench) -> None:
        if self.holder:
            self.holder.kill()
            self.holder.wait()


class ApiCut(Fault):
    """Prefect's API reached over a line that is cut, and mended after some seconds or never."""

    def __init__(self, mended_after: float | None = None) -> None:
        self.mended_after = mended_after

    def prepare(self, bench: Bench) -> None:
        self.line = Line(bench.api_port)
        self.api_url = self.line.url

    def act(self, bench: Bench, process: subprocess.Popen) -> None:
        self.line.cut()
        if self.mended_after is not None:
            time.sleep(self.mended_after)
            self.line.mend()

    def clear(self, bench: Bench) -> None:
        self.line.cut()


class ApiDead(Fault):
    """Prefect's API said to be where nobody listens."""

    def prepare(self, bench: Bench) -> None:
        self.api_url = f"http://127.0.0.1:{free_port()}/api"


class WithoutApi(Killed):
    """SIGKILL to a run that Prefect does not watch."""

    api_url = ""


@dataclass
class Case:
    """One disturbed run.

    Attributes:
        kind: the group of the table.
        name: what is done and where, in words.
        place: where.
        fault: what.
        says: a regular expression for what the run has to say when it stops; None where it has no say.
        released: whether the run has to release in spite of the fault.
        command: what is disturbed.
        then: what follows a command that rewrites published days, before the daily run.
    """

    kind: str
    name: str
    fault: Fault
    place: Place = field(default_factory=Place)
    says: str | None = None
    released: bool = False
    command: Command = DAILY
    then: Then = "again"


def shop_without_households(files: Path) -> None:
    """Every customer's household is gone: a quarter of all customers changes segment, which no check lets pass."""
    header, *rows = read_rows(files / "customers.csv")
    column = header.index("household_composition")
    write_rows(files / "customers.csv", [header, *([*row[:column], "", *row[column + 1 :]] for row in rows)])


def customer_twice(files: Path) -> None:
    """A customer is delivered twice."""
    rows = read_rows(files / "customers.csv")
    write_rows(files / "customers.csv", [*rows, rows[17]])


def cut_in_a_line(files: Path) -> None:
    """The transactions end in the middle of a line."""
    file = files / "transactions.csv"
    os.truncate(file, file.stat().st_size - 9)


def overwritten(files: Path) -> None:
    """A block in the middle of the transactions is overwritten with zeros, as a failing disk does."""
    with (files / "transactions.csv").open("r+b") as file:
        file.seek(file.seek(0, os.SEEK_END) // 2)
        file.write(bytes(4096))


# Where a flow has a dbt as its child: killed alone, it leaves an orphan.
WITH_CHILD = {
    "inputs, dbt is starting": Place(line="^inputs", delay=3),
    "inputs, a table is built": Place(line=r"^ +\d+/\d+ .*conformed\."),
    "models, features": Place(line=r"^ +\d+/\d+ .*features\."),
    "models, history": Place(line=r"^ +\d+/\d+ .*history\."),
    "models, marts": Place(line=r"^ +\d+/\d+ .*marts\.(dim|fct)_"),
}
WITHOUT_CHILD = {
    "Python is starting": Place(delay=1),
    "the window is resolved": Place(line="^Building"),
    "input checks": Place(line="^input checks", delay=2),
    "mart checks": Place(line="^mart checks", delay=1),
    "release, the first mart is copied": Place(event="os.mkdir", match=r"\.building-.*parquet"),
    "release, marts are copied": Place(event="os.mkdir", match=r"\.building-.*parquet", delay=0.3),
    "release, data docs": Place(event="open", match=r"data_docs/index\.html"),
    "release, pages of the data docs": Place(event="tempfile.mkdtemp", match="data_docs", delay=0.5),
    "release, before the manifest": Place(event="open", match=r"\.building-.*manifest\.json"),
    "release, before the folder gets its name": Place(event="os.rename", match=r"\.building-"),
    "release, before the link is made": Place(event="os.symlink"),
    "release, before the link becomes current": Place(event="os.rename", match="serving/current"),
    "release, an old release is being removed": Place(event="shutil.rmtree", match=r"releases/.*2024-04-0[1-8]"),
    "after the release": Place(line="^Released|^Segments"),
}


def step_kills() -> Iterator[Case]:
    """SIGKILL at every step, where a dbt runs also of the flow alone."""
    for where, place in WITH_CHILD.items():
        yield Case("killed", f"the flow alone: {where}", Killed(group=False), place)
        yield Case("killed", f"the group: {where}", Killed(group=True), place)
    for where, place in WITHOUT_CHILD.items():
        yield Case("killed", f"the group: {where}", Killed(group=True), place)
    yield Case(
        "killed",
        "the group in models, then the last 7 bytes of the write-ahead log are missing",
        KilledWithTornFile("warehouse/tessera.duckdb.wal", 7),
        Place(line=r"^ +\d+/\d+ .*features\."),
    )
    yield Case(
        "killed",
        "the group in inputs, then the last 500 KB of dbt's partial_parse are missing",
        KilledWithTornFile("target/partial_parse.msgpack", 500_000),
        Place(line="^inputs", delay=2),
    )
    yield Case(
        "killed",
        "the flow alone, without Prefect: models",
        WithoutApi(group=False),
        WITH_CHILD["models, features"],
    )
    yield Case(
        "killed",
        "the group, without Prefect: models",
        WithoutApi(group=True),
        WITH_CHILD["models, features"],
    )


# Exact places where published days are rewritten on a copy of the warehouse.
COPYING = Place(event="shutil.copyfile", match=COPY)
BEGINNING = Place(event="os.mkdir", match=f"/{COPY} ")
SWITCHING = Place(event="os.rename", match=f"/{COPY}/tessera.duckdb /")
# Not the folder inside it for what does not fit into memory.
SWITCHED = Place(event="os.rmdir", match=f"/{COPY} ")
ERASING = Place(line="^erase", delay=8)


REWRITING = {
    **WITH_CHILD,
    **WITHOUT_CHILD,
    "the warehouse is being copied": COPYING,
    "customers are taken out": ERASING,
    "release, before the copy becomes the warehouse": SWITCHING,
    "release, the copy has become the warehouse": SWITCHED,
}


def rewrite_fault(
    command: Command, name: str, fault: Fault, place: Place, then: Then = "again", says: str | None = None
) -> Case:
    """A case of a command that rewrites what is published."""
    return Case(command.name, f"{name}; {THEN[then]}", fault, place, says, command=command, then=then)


def rewrite_kills(command: Command, kills: list[tuple[str, str, Then]]) -> Iterator[Case]:
    """SIGKILL to a command that rewrites what is published: to whom, where, and what follows."""
    for who, where, then in kills:
        yield rewrite_fault(command, f"killed, {who}: {where}", Killed(who == "the group"), REWRITING[where], then)


def restatement_faults() -> Iterator[Case]:
    """What is done to a command that rewrites published days."""
    half = KilledWithTornFile(f"warehouse/{COPY}/tessera.duckdb", MIB)
    yield rewrite_fault(RESTATEMENT, "killed, the group: half of the warehouse is copied", half, COPYING)
    yield from rewrite_kills(
        RESTATEMENT,
        [
            ("the flow alone", "inputs, a table is built", "again"),
            ("the flow alone", "models, features", "forgotten"),
            ("the group", "models, history", "again"),
            ("the group", "release, marts are copied", "again"),
            ("the group", "release, before the copy becomes the warehouse", "forgotten"),
            ("the group", "release, the copy has become the warehouse", "finished"),
            ("the group", "release, before the link becomes current", "finished"),
            ("the group", "release, before the link becomes current", "again"),
            ("the group", "release, an old release is being removed", "finished"),
        ],
    )
    full = DiskFull("warehouse", 2 * MIB)
    yield rewrite_fault(RESTATEMENT, "disk full: the warehouse is copied", full, COPYING, says=FULL)
    for where, place in {"as the copy is made": BEGINNING, "before the copy becomes the warehouse": SWITCHING}.items():
        name = f"access taken: writing to the warehouse's folder, {where}"
        yield rewrite_fault(RESTATEMENT, name, AccessTaken("warehouse", 0o555), place, says=DENIED)


def erasure_faults() -> Iterator[Case]:
    """What is done to the command that erases customers."""
    yield from rewrite_kills(
        ERASURE,
        [
            ("the group", "the warehouse is being copied", "again"),
            ("the flow alone", "customers are taken out", "again"),
            ("the group", "models, marts", "forgotten"),
            ("the group", "release, before the copy becomes the warehouse", "again"),
            ("the group", "release, the copy has become the warehouse", "finished"),
            ("the group", "release, before the link becomes current", "finished"),
            ("the group", "release, before the link becomes current", "again"),
            ("the group", "release, an old release is being removed", "again"),
        ],
    )
    full = DiskFull("warehouse", 2 * MIB)
    yield rewrite_fault(ERASURE, "disk full: customers are taken out", full, ERASING, says=FULL)


def random_kills(seed: int, number: int, seconds: float) -> Iterator[Case]:
    """SIGKILL at seeded instants of a run that takes so many seconds, of the flow alone and of the group in turn."""
    instants = random.Random(seed)
    for turn in range(number):
        after = round(instants.uniform(0.02, 0.98) * seconds, 2)
        group = turn % 2 == 1
        who = "the group" if group else "the flow alone"
        yield Case("killed at random", f"{who} after {after} s", Killed(group=group), Place(delay=after))


def other_faults() -> Iterator[Case]:
    """Everything but SIGKILL."""
    yield Case("disk full", "warehouse, from the start", DiskFull("warehouse", 0), Place(line="^Building"), FULL)
    yield Case(
        "disk full", "warehouse, in models", DiskFull("warehouse", 64 << 10), Place(line="^models", delay=3), FULL
    )
    copying = Place(event="os.mkdir", match=r"\.building-.*parquet")
    yield Case("disk full", "serving, as the release begins", DiskFull("serving", 0), copying, FULL)
    yield Case("disk full", "serving, with room for half a release", DiskFull("serving", 2 * MIB), copying, FULL)
    docs = Place(event="open", match=r"data_docs/index\.html")
    yield Case("disk full", "serving, as data docs are written", DiskFull("serving", 0), docs, FULL)

    start = Place(line="^Building")
    yield Case(
        "access taken", "a source file, before the run", AccessTaken("files/transactions.csv", 0), Place(), DENIED
    )
    yield Case("access taken", "a source file, in inputs", AccessTaken("files/customers.csv", 0), start, DENIED)
    yield Case("access taken", "the sources' folder, in models", AccessTaken("files", 0), Place(line="^models"), DENIED)
    yield Case("access taken", "writing to serving/releases", AccessTaken("serving/releases", 0o555), start, DENIED)
    yield Case("access taken", "writing to serving", AccessTaken("serving", 0o555), start, DENIED)

    yield Case("checkpoint", "an input check fails", BadDelivery(customer_twice), says="customer_duplicate")
    yield Case("checkpoint", "a mart check fails", BadDelivery(shop_without_households), says="seg_household")
    raises = "broken on purpose"
    for gate in ("input", "mart"):
        place = Place(raises=f"expectations.suites:{gate}_tables")
        yield Case("checkpoint", f"the {gate} suites raise", BrokenCheck(), place, says=raises)

    yield Case("source damaged", "transactions end in a line", BadDelivery(cut_in_a_line), says="transactions")
    yield Case("source damaged", "a block of zeros in transactions", BadDelivery(overwritten), says="transactions")

    held = "held|lock"
    yield Case("file held", "for writing, from the start", Held(read_only=False), start, held)
    yield Case("file held", "for reading, from the start", Held(read_only=True), start, held)
    yield Case("file held", "for writing, in models", Held(read_only=False), Place(line="^models"), held)
    yield Case("file held", "for reading, as marts are checked", Held(read_only=True), Place(line="^mart checks"), held)
    yield Case("file held", "for writing, for 5 s", Held(read_only=False, seconds=5), start, released=True)
    yield Case(
        "file held", "for reading, for 5 s", Held(read_only=True, seconds=5), Place(line="^models"), released=True
    )

    yield Case("Prefect cut off", "nobody listens", ApiDead(), released=True)
    yield Case("Prefect cut off", "from inputs on", ApiCut(), Place(line="^inputs"), released=True)
    yield Case("Prefect cut off", "from the release on", ApiCut(), Place(line="^release"), released=True)
    yield Case("Prefect cut off", "in models, for 5 s", ApiCut(5), Place(line="^models"), released=True)

"""Which processes hold a lock of the operating system on a file, without touching the file."""

import os
from dataclasses import dataclass
from pathlib import Path

# Linux lists there every lock: number, kind, advisory, mode, process, device:inode, first and last byte.
LOCKS = Path("/proc/locks")


@dataclass(frozen=True)
class Holder:
    """A process that holds a file."""

    process: int
    command: str

    def __str__(self) -> str:
        """The process for people."""
        return f"process {self.process} ({self.command})"


def holders(file: Path) -> list[Holder]:
    """The other processes that hold a lock on a file, by number.

    Raises:
        OSError: the system does not tell (it is not Linux).
    """
    lines = LOCKS.read_text().splitlines()
    if not file.exists():
        return []
    found: set[int] = set()
    for line in lines:
        # A lock that is waited for has an arrow after its number.
        fields = [field for field in line.split() if field != "->"]
        # The device is that of the disk, which stat() does not give on layered file systems; so the process is asked.
        if fields[5].endswith(f":{file.stat().st_ino}"):
            process = int(fields[4])
            # The process that took the lock may be gone and one that it started still have it.
            # Of another user's process its lock is all that is known.
            is_there = _has_open(process, file)
            found |= {process} if is_there or is_there is None else _all_that_have_open(file)
    return [Holder(process, _command(process)) for process in sorted(found - {os.getpid()})]


def _has_open(process: int, file: Path) -> bool | None:
    """Whether a process has a file open; None where the system does not tell of that process."""
    try:
        return any(opened.exists() and opened.samefile(file) for opened in Path(f"/proc/{process}/fd").iterdir())
    except FileNotFoundError:
        return False
    except PermissionError:
        return None


def _all_that_have_open(file: Path) -> set[int]:
    processes = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return {process for process in processes if _has_open(process, file)}


def _command(process: int) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return "unknown"
    text = " ".join([Path(words[0]).name, *words[1:]]).strip()
    return text if len(text) <= 60 else f"{text[:59]}…"

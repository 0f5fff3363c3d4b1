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
    found = set()
    for line in lines:
        # A lock that is waited for has an arrow after its number.
        fields = [field for field in line.split() if field != "->"]
        process, place = int(fields[4]), fields[5]
        # The device is that of the disk, which stat() does not give on layered file systems; so the process is asked.
        if place.endswith(f":{file.stat().st_ino}") and process != os.getpid() and _has_open(process, file):
            found.add(process)
    return [Holder(process, _command(process)) for process in sorted(found)]


def _has_open(process: int, file: Path) -> bool:
    try:
        return any(opened.exists() and opened.samefile(file) for opened in Path(f"/proc/{process}/fd").iterdir())
    except FileNotFoundError:
        return False
    except PermissionError:
        # Another user's process: its lock is all that is known of it.
        return True


def _command(process: int) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return "unknown"
    text = " ".join([Path(words[0]).name, *words[1:]]).strip()
    return text if len(text) <= 60 else f"{text[:59]}…"

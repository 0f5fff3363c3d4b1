"""What a run needs in memory, and what the machine has for it.

The constants were measured by `python -m benchmarks.day` (docs/benchmarks.md, "Memory"); whoever changes what the
largest steps do measures them again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20

# Whatever the number of customers: Python, dbt and DuckDB in the process that works, and the other one, which waits.
PROCESSES = 800 * MIB
# For each customer what DuckDB keeps under its limit, and spills to disk beyond it: 1.8 GB at 200,000 customers.
IN_DUCKDB = 9_500
# For each customer what is outside it, which nothing bounds: Python's arrays, the states of aggregates, files on their
# way to the disk. The largest node took 4.9 GiB at 3,000,000 customers with a limit of 3 GB.
OUTSIDE = 600
# For each customer the lowest limit with which DuckDB was seen to end: 3 GB at 3,000,000 customers.
LEAST_IN_DUCKDB = 1_000


@dataclass(frozen=True)
class Memory:
    """What there is for a run, in bytes.

    Attributes:
        size: of the machine, or what its control group (a container, a service) may use.
        free: what nobody uses now.
    """

    size: int
    free: int


def needed(customers: int, limit: int) -> int:
    """The most that a run needs, in bytes, where DuckDB may use `limit`."""
    return PROCESSES + min(limit, customers * IN_DUCKDB) + customers * OUTSIDE


def least_limit(customers: int) -> int:
    """The limit below which DuckDB runs out of memory, in bytes."""
    return customers * LEAST_IN_DUCKDB


def limit_that_fits(customers: int, space: int) -> int | None:
    """The highest limit with which a run needs no more than `space`, in bytes; None where no limit does."""
    limit = space - PROCESSES - customers * OUTSIDE
    return limit if limit >= max(least_limit(customers), MIB) else None


def memory_of(machine: Path) -> Memory:
    """What Linux tells of the machine whose files lie under a folder: of this one, under the root.

    What can be had back from the cache of files is free. Swap does not count.

    Raises:
        OSError, LookupError, ValueError: the system does not tell (it is not Linux).
    """
    told = _fields(machine / "proc/meminfo")
    size, free = (told[name] * 1024 for name in ("MemTotal", "MemAvailable"))
    for group, names in _groups(machine):
        if (limit := _number(group / names.limit)) is not None:
            cached = _fields(group / "memory.stat").get(names.cached, 0)
            size = min(size, limit)
            free = min(free, limit - (_number(group / names.used) or 0) + cached)
    return Memory(size, max(free, 0))


@dataclass(frozen=True)
class _Names:
    """What a version of control groups calls its files, and a field of memory.stat."""

    limit: str
    used: str
    cached: str


FIRST_VERSION = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
SECOND_VERSION = _Names("memory.max", "memory.current", "inactive_file")


def _groups(machine: Path) -> Iterator[tuple[Path, _Names]]:
    """The control groups that this process is in: each may limit it, up to the root that is mounted."""
    groups = machine / "proc/self/cgroup"
    for line in groups.read_text().splitlines() if groups.is_file() else ():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = machine / "sys/fs/cgroup" / ("memory" if controllers else "")
        # Within a container the path may be the host's, of which only the root is there.
        own = root / path.lstrip("/")
        names = FIRST_VERSION if controllers else SECOND_VERSION
        yield from ((group, names) for group in (own, *own.parents) if group.is_relative_to(root) and group.is_dir())


def _number(file: Path) -> int | None:
    """What a file of a control group says; None where it is not there, or says that there is no limit."""
    text = file.read_text().strip() if file.is_file() else "max"
    return None if text == "max" else int(text)


def _fields(file: Path) -> dict[str, int]:
    """The numbers in a file by the names before them."""
    lines = (line.replace(":", " ").split() for line in file.read_text().splitlines()) if file.is_file() else ()
    return {name: int(number) for name, number, *_ in lines}

"""What a run needs in memory, what the machine has, and what DuckDB is allowed."""

from pathlib import Path

import pytest

from flows.steps.databases import memory_limit
from flows.steps.memory import Memory, least_limit, limit_that_fits, memory_of, needed

GIB = 2**30


def machine(folder: Path, files: dict[str, object]) -> Path:
    """A machine of 16 GiB, 12 of them free, and what else its system tells."""
    meminfo = "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: 12582912 kB\nHugePages_Total: 0"
    for name, text in ({"proc/meminfo": meminfo} | files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{text}\n")
    return folder


def test_machine_without_control_groups(tmp_path: Path) -> None:
    assert memory_of(machine(tmp_path, {})) == Memory(16 * GIB, 12 * GIB)


@pytest.mark.parametrize(
    ("own", "above", "expected"),
    [
        ("max", "max", Memory(16 * GIB, 12 * GIB)),
        # Three are used, one of which is cached files.
        (4 * GIB, "max", Memory(4 * GIB, 2 * GIB)),
        ("max", 6 * GIB, Memory(6 * GIB, 6 * GIB)),
        (4 * GIB, 3 * GIB, Memory(3 * GIB, 2 * GIB)),
        # More than the machine has is no limit, but what others use is not free.
        (32 * GIB, "max", Memory(16 * GIB, 12 * GIB)),
        (2 * GIB, "max", Memory(2 * GIB, 0)),
    ],
)
def test_control_groups_limit_it_with_those_above_them(
    own: object, above: object, expected: Memory, tmp_path: Path
) -> None:
    files = {
        "proc/self/cgroup": "0::/shop/run",
        "sys/fs/cgroup/shop/run/memory.max": own,
        "sys/fs/cgroup/shop/run/memory.current": 3 * GIB,
        "sys/fs/cgroup/shop/run/memory.stat": f"anon 5\ninactive_file {GIB}",
        "sys/fs/cgroup/shop/memory.max": above,
        "sys/fs/cgroup/shop/memory.current": 0,
    }
    assert memory_of(machine(tmp_path, files)) == expected


def test_control_groups_of_the_first_version_and_those_of_a_container_seen_from_within(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/docker/5f\n1:cpu:/docker/5f\n0::/",
        # The container's own, which the host calls /docker/5f.
        "sys/fs/cgroup/memory/memory.limit_in_bytes": 4 * GIB,
        "sys/fs/cgroup/memory/memory.usage_in_bytes": 3 * GIB,
        "sys/fs/cgroup/memory/memory.stat": f"inactive_file 0\ntotal_inactive_file {GIB}",
        # That of another controller.
        "sys/fs/cgroup/cpu/docker/5f/memory.limit_in_bytes": 1,
    }
    assert memory_of(machine(tmp_path, files)) == Memory(4 * GIB, 2 * GIB)
    unlimited = files | {"sys/fs/cgroup/memory/memory.limit_in_bytes": 2**63 - 4096}
    assert memory_of(machine(tmp_path, unlimited)) == Memory(16 * GIB, 12 * GIB)


def test_need_grows_with_customers_and_with_what_duckdb_may_use() -> None:
    assert needed(3_000_000, 2 * GIB) > needed(1_000_000, 2 * GIB) > needed(1_000, 2 * GIB)
    assert needed(3_000_000, 4 * GIB) > needed(3_000_000, 2 * GIB)
    # A few customers do not fill what DuckDB may use.
    assert needed(1_000, 64 * GIB) == needed(1_000, 2 * GIB)


def test_limit_that_fits_uses_the_space_up_and_is_none_where_the_rest_is_too_much() -> None:
    limit = limit_that_fits(3_000_000, 32 * GIB)
    assert limit is not None
    assert needed(3_000_000, limit) <= 32 * GIB
    space = needed(3_000_000, least_limit(3_000_000))
    assert limit_that_fits(3_000_000, space) == least_limit(3_000_000)
    assert limit_that_fits(3_000_000, space - 1) is None


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("2GB", 2 * 10**9), ("500 mb", 5 * 10**8), ("1.5GiB", 3 * GIB // 2), ("1T", 10**12), ("8KiB", 8192)],
)
def test_limit_is_counted_as_duckdb_counts_it(setting: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_MEMORY", setting)
    assert memory_limit() == expected


def test_limit_that_is_no_number_with_a_unit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESSERA_MEMORY", "lots")
    with pytest.raises(ValueError, match="TESSERA_MEMORY must be a number with a unit"):
        memory_limit()

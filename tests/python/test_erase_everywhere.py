"""Customers with keys that are hard to look for, and buyers whom no customer feed knows, erased to the last byte."""

import base64
import csv
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow
import pytest
import yaml
from conftest import PUBLISHED, Shop, rows
from shop import TAKEN_OUT, read_rows, shop_vars, write_rows, write_shop

from flows.steps.operations_log import Run, log_run
from flows.steps.project import ROOT

# Of each kind one who is known and one who is not; both have orders.
KINDS = ("({}-a)", "/{}-b", " {}-c", "{}-d ", "{}-e\n(line)", "{}-f@example.com", '"{}-g", x')
KNOWN = [kind.format("forget-4711") for kind in KINDS]
UNKNOWN = [kind.format("forget-0815") for kind in KINDS]
NEEDLES = (b"forget-4711", b"forget-0815")
# A day of the run, but so old that strangers do not stop it.
STRANGE_DAY = "2024-04-02"


def key_of(customer: int) -> str:
    """The key of a customer of the shop, as text."""
    return dict(zip(TAKEN_OUT, KNOWN, strict=True)).get(customer, f"C-{customer:04}")


def name_by_text(files: Path) -> None:
    """Give the shop's customers keys of text, in their order numbers as well, and let strangers buy."""
    for table in ("customers", "transactions", "contacts", "responses"):
        header, *lines = read_rows(files / f"{table}.csv")
        place = header.index("customer_id")
        for line in lines:
            key = key_of(int(line[place]))
            if table == "transactions":
                line[1] = f"{line[1]}-{key}"
            line[place] = key
        if table == "transactions":
            lines += [
                [key, f"order of {key}", f"{STRANGE_DAY} 10:00:00", "9.00", "p1", "1", "0", "0", "4.00"]
                for key in UNKNOWN
            ]
        write_rows(files / f"{table}.csv", [header, *lines])


def deliver_without(files: Path, customers: list[str]) -> None:
    for table in ("customers", "transactions", "contacts", "responses"):
        header, *lines = read_rows(files / f"{table}.csv")
        place = header.index("customer_id")
        write_rows(files / f"{table}.csv", [header, *(line for line in lines if line[place] not in customers)])


def quote_as_before(shop: Shop) -> None:
    """Write what earlier versions wrote: keys in the prose of checks, examples, runs, logs, and a release of these."""
    current = (shop.serving / "current").resolve()
    told = [f"1 of 1 row: unknown_customer 1 (example: order 5, customer {key}, source files)" for key in UNKNOWN]
    with duckdb.connect(str(shop.warehouse)) as connection:
        for number, text in enumerate(told):
            connection.execute(
                "insert into operations.checks by name "
                f"select * replace (? as observed, 'failed' as status, code || '_{number}' as code) "
                "from operations.checks where code = 'unknown_customer' limit 1",
                [text],
            )
        for table in ("conformed.delivered_days", "checks.input_problems"):
            connection.execute(f"alter table {table} add column example varchar")
            connection.execute(f"update {table} set example = ?", [told[0]])
    at = datetime(2024, 4, 1)
    log_run(shop.warehouse, Run("20240401T000000Z", None, None, "daily", "failed", told[1], at, at, "0a", None))
    # Of a clock that was ahead.
    release = shutil.copytree(current, current.with_name(f"{PUBLISHED}-29990101T000000Z"))
    with duckdb.connect(str(release / "tessera.duckdb")) as connection:
        connection.execute("update marts.ops_checks set observed = ? where code = 'unknown_customer'", [told[2]])
    (shop.logs / "runs" / "20240401T000000Z.jsonl").write_text(told[3])
    with (shop.logs / "dbt.log").open("a") as log:
        log.write(told[4])


def found_in(folder: Path) -> dict[bytes, set[str]]:
    """The files below a folder in which a needle stands, in whatever form, by needle."""
    found: dict[bytes, set[str]] = {needle: set() for needle in NEEDLES}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink():
            for needle in NEEDLES:
                if needle in os.fsencode(file.name) or any(needle in content for content in contents(file)):
                    found[needle].add(str(file.relative_to(folder)))
    return found


def contents(file: Path) -> Iterator[bytes]:
    """What a file holds: as it is, decompressed, from base64, and as values where it is a database or Parquet."""
    raw = file.read_bytes()
    yield raw
    yield from decompressed(raw)
    for run in re.finditer(rb"[A-Za-z0-9+/_-]{16,}", raw):
        for skipped in range(4):
            text = run[0][skipped:].translate(bytes.maketrans(b"-_", b"+/"))
            decoded = base64.b64decode(text[: len(text) // 4 * 4])
            yield decoded
            yield from decompressed(decoded)
    if file.suffix == ".parquet":
        with duckdb.connect() as connection:
            yield repr(connection.read_parquet(str(file)).fetchall()).encode()
    if file.suffix == ".duckdb":
        with duckdb.connect(str(file), read_only=True) as connection:
            for schema, table in connection.sql("select schema_name, table_name from duckdb_tables()").fetchall():
                yield repr(connection.sql(f'from "{schema}"."{table}"').fetchall()).encode()


def decompressed(raw: bytes) -> Iterator[bytes]:
    """What the streams of gzip, zlib and zstd hold that begin anywhere in some bytes."""
    for magic in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", raw):
        try:
            yield zlib.decompressobj(47).decompress(raw[magic.start() :])
        except zlib.error:
            continue
    for magic in re.finditer(rb"\x28\xb5\x2f\xfd", raw):
        try:
            yield pyarrow.input_stream(pyarrow.py_buffer(raw[magic.start() :]), compression="zstd").read()
        except OSError:
            continue


@pytest.fixture
def text_shop(tmp_path: Path) -> Shop:
    """A shop whose files are delivered and of which nothing is built; all that a run may write lies in its folder."""
    shop = Shop(tmp_path / "shop")
    write_shop(shop.files, PUBLISHED)
    name_by_text(shop.files)
    for name in ("home", "temporary"):
        (shop.folder / name).mkdir()
    return shop


def command(shop: Shop, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as somebody without a Prefect server does."""
    kept_out = ("PREFECT_API", "PREFECT_HOME", "PREFECT_PROFILE", "PREFECT_SERVER_DATABASE", "DBT_LOG_PATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(kept_out)}
    environment |= shop.environment()
    places = {"HOME": "home", "TMPDIR": "temporary", "DBT_TARGET_PATH": "target"}
    environment |= {name: str(shop.folder / place) for name, place in places.items()}
    variables = yaml.safe_dump(shop_vars(shop.files) | {"customer_id_type": "varchar"})
    return subprocess.run(
        [sys.executable, "-m", module, *arguments, "--vars", variables],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_d1_erased_keys_are_in_no_byte_on_the_disk(text_shop: Shop, tmp_path: Path) -> None:
    shop = text_shop
    done = command(shop, "flows.daily")
    assert done.returncode == 0, done.stderr
    # A check has seen the strangers, and says how many and where to look: what it says leaves the warehouse.
    told = " ".join(done.stdout.split())
    assert "unknown_customer 7" in told
    query = "from conformed.rejected_transactions where problem = 'unknown_customer'"
    assert query in told
    assert {key for (key,) in rows(shop.warehouse, f"select customer_id {query}")} == set(UNKNOWN)
    known, strange = found_in(shop.folder).values()
    assert strange == {"files/transactions.csv"}
    assert "warehouse/tessera.duckdb" in known
    places = {place.split("/")[0] for place in known}
    assert places == {"files", "warehouse", "serving"}

    quote_as_before(shop)
    _, strange = found_in(shop.folder).values()
    assert {place.split("/")[0] for place in strange} == {"files", "warehouse", "serving", "logs"}

    # --- As long as the sources deliver them, nothing is erased.
    wanted = tmp_path / "to erase.csv"
    with wanted.open("w", newline="") as file:
        csv.writer(file).writerows([["customer_id"], *([key] for key in [*KNOWN, *UNKNOWN, "nobody"])])
    ask = ("flows.erase", "--customers", str(wanted), "--reason", "asked for it")
    done = command(shop, *ask)
    assert done.returncode == 1
    assert re.search(r"files, customers: 7 row\(s\) of 7 of them; files, transactions: \d+ row", done.stderr)

    # --- Then everything is, and keys that no column had are reported by their line numbers.
    deliver_without(shop.files, [*KNOWN, *UNKNOWN])
    done = command(shop, *ask)
    # Two of the fifteen keys take two lines.
    assert done.returncode == 3, done.stderr
    assert "Released 2024-04-09" in done.stderr
    assert "Lines 10-14, 16-18 of the list: nothing was found of 8 customers" in done.stderr
    assert found_in(shop.folder) == {needle: set() for needle in NEEDLES}
    assert [release.name for release in (shop.serving / "releases").iterdir()] == [
        (shop.serving / "current").readlink().name
    ]
    assert rows(shop.warehouse, "select count(*) from operations.checks where observed like '%removed%'") == [(8,)]
    # Of what Prefect knew nothing is left, neither in its home nor in a folder for temporary files.
    assert [path for path in (shop.folder / "home").rglob("*") if path.is_file()] == []
    assert list((shop.folder / "temporary").iterdir()) == []

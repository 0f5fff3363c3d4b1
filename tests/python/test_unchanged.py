"""What a run leaves as it is: what counts as unchanged, and that it makes no difference to any mart."""

import os
import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from conftest import NEXT_DAY, Shop, rows
from shop import write_shop

from benchmarks.compare import OF_RUNS, compare
from flows.daily import daily
from flows.steps import operations_log, unchanged
from flows.steps.project import Project
from flows.steps.source_files import source_tables
from flows.steps.unchanged import FILES, MONTHLY, WEEKLY, of_days, of_files

MONDAY = date(2024, 4, 8)
ONE_DAY = timedelta(days=1)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_shop(tmp_path / "files", MONDAY)
    return tmp_path / "files"


def fingerprint(files: Path) -> str:
    project = Project.with_vars(f"{{sources: [files], files_folder: '{files}'}}")
    return of_files(project, source_tables(project)).fingerprint


def test_files_are_the_same_until_anything_about_them_changes(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(files)
    assert fingerprint(files) == before
    products = files / "products.csv"
    stamp = products.stat()
    # The same size and time of modification: only the bytes differ.
    products.write_bytes(products.read_bytes().replace(b"dairy", b"DAIRY"))
    os.utime(products, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert fingerprint(files) != before
    # Of a large file bytes are not looked at; that it is another one shows all the same.
    monkeypatch.setattr(unchanged, "SMALL_BYTES", 0)
    before = fingerprint(files)
    other = products.with_suffix(".new")
    shutil.copy2(products, other)
    other.replace(products)
    os.utime(products, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert fingerprint(files) != before
    before = fingerprint(files)
    (files / "coupons.csv").write_text("no table of ours\n")
    assert fingerprint(files) == before
    (files / "campaigns.csv").unlink()
    assert fingerprint(files) != before


def test_settings_count_as_a_change(files: Path) -> None:
    project = Project.with_vars(f"{{sources: [files], files_folder: '{files}', files_discount_sign: negative}}")
    assert of_files(project, source_tables(project)).fingerprint != fingerprint(files)


def kept_since(
    day: date, before: date, rules: str = "1", rules_before: str = "1", known: str = "1", **settings: object
) -> set[str]:
    """The groups that a run of a day leaves as a run of an earlier day built them; `known` is Monday's rule version."""
    project = Project(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations_log, "rules_on", lambda _warehouse, _day: {("seg", known)})
        then = of_days(project, before, {"seg": rules_before})
        return {group.tables for group in of_days(project, day, {"seg": rules}) if group in then}


def test_profiles_are_due_on_mondays_and_while_rules_are_newer_and_the_backtest_at_the_end_of_a_month() -> None:
    sunday, month_end = MONDAY + 6 * ONE_DAY, date(2024, 4, 30)
    assert kept_since(sunday, MONDAY) == {WEEKLY, MONTHLY}
    assert kept_since(MONDAY, MONDAY - ONE_DAY) == {MONTHLY}
    assert kept_since(sunday, MONDAY, rules="2") == {MONTHLY}
    # Rules of Wednesday are profiled every day until Monday.
    assert kept_since(sunday, sunday - ONE_DAY, rules="2", rules_before="2") == {MONTHLY}
    assert kept_since(sunday, sunday - ONE_DAY, rules="2", rules_before="2", known="2") == {WEEKLY, MONTHLY}
    assert kept_since(month_end, month_end - ONE_DAY) == {WEEKLY}
    assert kept_since(month_end + 28 * ONE_DAY, month_end) == {MONTHLY}
    assert kept_since(sunday, MONDAY, profiles_every_days=1) == {MONTHLY}


def test_a_build_by_hand_or_one_that_failed_leaves_nothing_known(tmp_path: Path) -> None:
    warehouse = tmp_path / "tessera.duckdb"
    assert operations_log.read_built(warehouse) == {}
    for tables in (FILES, WEEKLY):
        operations_log.log_built(warehouse, {"tables": tables, "fingerprint": "1", "run_id": "a"})
    operations_log.log_built(warehouse, {"tables": FILES})
    assert set(operations_log.read_built(warehouse)) == {WEEKLY}


def test_what_was_left_as_it_was_is_what_a_whole_build_makes(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    last = NEXT_DAY + ONE_DAY
    write_shop(shop.files, last)
    daily(as_of=NEXT_DAY, vars=shop.vars)
    assert "not read again" not in capsys.readouterr().out
    before = shop.folder.with_name("before")
    shutil.copytree(shop.folder, before, symlinks=True)
    daily(vars=shop.vars)
    assert "not read again" in capsys.readouterr().out
    built = rows(shop.warehouse, "select distinct as_of_date from marts.fct_segment_profiles")
    assert built == [(MONDAY,)]
    kept = shop.folder.with_name("kept")
    shop.folder.rename(kept)
    before.rename(shop.folder)
    with duckdb.connect(str(shop.warehouse)) as connection:
        connection.execute("delete from operations.built")
    daily(vars=shop.vars)
    with duckdb.connect() as connection:
        for name, folder in (("before", kept), ("after", shop.folder)):
            file = str(folder / "serving" / "current" / "tessera.duckdb").replace("'", "''")
            connection.execute(f"attach '{file}' as {name} (read_only)")
        assert list(compare(connection, set(OF_RUNS))) == []
    shutil.rmtree(kept)

"""What bad input gets: a message that says what and where, and readers who notice nothing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
import yaml
from conftest import NEXT_DAY, Shop
from shop import HISTORY_START, read_rows, write_rows

from flows.daily import daily
from flows.steps.errors import RunStopped
from flows.steps.project import Project
from flows.steps.window import Window, resolve_window

TODAY = str(NEXT_DAY)


def stopped(shop: Shop) -> str:
    """Run the daily flow; it must stop, and readers must see what they saw. Returns the message."""
    before = shop.fingerprint()
    with pytest.raises(RunStopped) as error:
        daily(vars=shop.vars)
    assert shop.fingerprint() == before
    return str(error.value)


def change(file: Path, edit: Callable[[list[list[str]]], list[list[str]]]) -> None:
    """Rewrite the rows of a CSV file, its header kept."""
    header, *rows = read_rows(file)
    write_rows(file, [header, *edit(rows)])


def lines_of_today(rows: list[list[str]]) -> list[list[str]]:
    return [row for row in rows if row[2].startswith(TODAY)]


def test_bad_rows_are_all_told_at_once(shop: Shop) -> None:
    def spoil(rows: list[list[str]]) -> list[list[str]]:
        today = lines_of_today(rows)
        for row in today:
            if int(row[0]) % 9 == 0:
                row[0] = "999999"
        for row, (column, value) in zip(
            today, [(0, ""), (0, "-3"), (3, "twelve"), (2, "2099-01-01 09:00:00")], strict=False
        ):
            row[column] = value
        return rows

    keys = [[key, "2024-01-01", "", ""] for key in ("", "-3", "C-17")]
    change(shop.files / "customers.csv", lambda rows: [*rows, rows[17], *keys])
    change(shop.files / "transactions.csv", spoil)
    message = stopped(shop)

    for code in ("customer_duplicate", "customer_id_missing", "customer_id_negative", "unknown_customer_share"):
        assert code in message
    # For who has keys such as C-17.
    assert "customer_id_type" in message
    assert "invalid_customer_id 2" in message
    assert "invalid_net_amount" in message
    assert "from conformed.rejected_transactions where problem = 'invalid_net_amount'" in message
    assert "future_timestamp" in message
    assert "2099-01-01" in message


def test_day_without_transactions(shop: Shop) -> None:
    def skip_today(rows: list[list[str]]) -> list[list[str]]:
        tomorrow = [[*row[:2], row[2].replace(TODAY, "2024-04-11"), *row[3:]] for row in lines_of_today(rows)]
        return [row for row in rows if not row[2].startswith(TODAY)] + tomorrow

    change(shop.files / "transactions.csv", skip_today)
    message = stopped(shop)
    assert "missing_day" in message
    assert TODAY in message


def test_file_cut_off_between_two_lines(shop: Shop) -> None:
    change(shop.files / "transactions.csv", lambda rows: rows[: len(rows) // 2])
    message = stopped(shop)
    assert "The sources end on 2024-0" in message
    assert "cut off" in message


def test_csv_file_cut_off_in_a_line(shop: Shop) -> None:
    file = shop.files / "transactions.csv"
    text = file.read_text()
    file.write_text(text[: text.rindex(",p")])
    message = stopped(shop)
    assert "transactions.csv" in message
    assert "cut off" in message


def test_parquet_file_cut_off(shop: Shop) -> None:
    csv, parquet = shop.files / "transactions.csv", shop.files / "transactions.parquet"
    duckdb.read_csv(str(csv)).write_parquet(str(parquet))
    csv.unlink()
    parquet.write_bytes(parquet.read_bytes()[: parquet.stat().st_size // 2])
    message = stopped(shop)
    assert "transactions.parquet" in message
    assert "cut off" in message


def test_missing_source_table(shop: Shop) -> None:
    (shop.files / "transactions.csv").unlink()
    assert "source 'files', table 'transactions': there is no file" in stopped(shop)


def test_missing_column(shop: Shop) -> None:
    file = shop.files / "transactions.csv"
    write_rows(file, [[row[0], *row[2:]] for row in read_rows(file)])
    message = stopped(shop)
    assert "transactions.csv has no column 'order_id', which is required" in message


def test_feed_that_shrank_by_90_percent(shop: Shop) -> None:
    change(
        shop.files / "transactions.csv",
        lambda rows: [row for row in rows if not row[2].startswith(TODAY)] + lines_of_today(rows)[::10],
    )
    message = stopped(shop)
    assert "volume" in message
    assert "0.1" in message


def test_a8_a6_a10_a_day_twice_lost_categories_and_turned_signs_are_told_at_once(shop: Shop) -> None:
    """Each was once released: a day twice is no five times the usual lines, and the rest was asked by nobody."""

    def spoil(rows: list[list[str]]) -> list[list[str]]:
        today = lines_of_today(rows)
        for row in today:
            row[6] = f"-{row[6]}"
        return [*rows, *today]

    change(shop.files / "transactions.csv", spoil)
    change(shop.files / "products.csv", lambda rows: [rows[0], *([f"{row[0]}.0", *row[1:]] for row in rows[1:])])
    message = stopped(shop)
    for text in (
        "identical_lines_jumped",
        "unusual_share 0.5 ",
        "uncategorised_lines_jumped",
        "amounts_negative",
        "amount discount_amount",
        "files_discount_sign",
        '--accept identical_lines_jumped --reason "..."',
    ):
        assert text in message


@contextmanager
def refusing(folder: Path) -> Iterator[None]:
    """A folder to which nobody can write; root, whom permissions do not stop, gets a read-only mount."""
    if os.geteuid() != 0:
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)
        return
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_disk_that_refuses_the_release_folder(shop: Shop) -> None:
    releases = shop.serving / "releases"
    with refusing(releases):
        message = stopped(shop)
    assert f"The release {releases / TODAY}" in message
    assert "Readers still see the release before it" in message
    # Nothing was lost: the day is still to be released once the disk is well again.
    project = Project(overrides=yaml.safe_load(shop.vars), warehouse=shop.warehouse, serving=shop.serving)
    assert resolve_window(project, None) == Window(NEXT_DAY, NEXT_DAY, HISTORY_START)


@pytest.mark.parametrize(
    ("clause", "wrong", "expected"),
    [
        (
            "orders_lifetime = 0",
            "orders_livetime = 0",
            "Segmentation seg_lifecycle, segment prospect, clause 'orders_livetime = 0': "
            "there is no feature 'orders_livetime'. Did you mean 'orders_lifetime'?",
        ),
        (
            "days_since_last_order > 90",
            "days_since_last_order > ninety",
            "Segmentation seg_lifecycle, segment churned, clause 'days_since_last_order > ninety': "
            "'days_since_last_order' is of type bigint, so its value must be a number",
        ),
    ],
)
def test_rule_that_is_wrong(shop: Shop, tmp_path: Path, clause: str, wrong: str, expected: str) -> None:
    root = Path(__file__).resolve().parents[2]
    project = tmp_path / "project"
    kept_out = shutil.ignore_patterns(".venv", ".git", "warehouse", "serving", "target", "logs", "build")
    shutil.copytree(root, project, ignore=kept_out)
    rules = project / "models" / "segmentations" / "seg_lifecycle.yml"
    assert clause in rules.read_text()
    rules.write_text(rules.read_text().replace(clause, wrong))
    before = shop.fingerprint()
    done = subprocess.run(
        [sys.executable, "-m", "flows.daily", "--vars", shop.vars],
        cwd=project,
        env=os.environ | {"DBT_TARGET_PATH": str(tmp_path / "target")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert shop.fingerprint() == before

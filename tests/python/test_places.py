"""Where commands write: who may read it, and what is told where they may not."""

import os
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest

from flows.report import charts
from flows.steps.command import run_command
from flows.steps.errors import RunStopped
from flows.steps.pipeline import run_flow
from flows.steps.places import unwritable
from flows.steps.release import publish


@pytest.fixture
def umask() -> None:
    """Leave the tests after it as they were."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> set[tuple[bool, int]]:
    return {(path.is_dir(), stat.S_IMODE(path.lstat().st_mode)) for path in folder.rglob("*") if not path.is_symlink()}


@pytest.mark.parametrize(
    ("text", "file", "folder"), [(None, 0o640, 0o750), ("077", 0o600, 0o700), ("022", 0o644, 0o755)]
)
def test_d7_what_commands_write_is_private_by_default(
    umask: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, file: int, folder: int
) -> None:
    """Everybody on the machine could read warehouse and releases."""
    monkeypatch.delenv("TESSERA_UMASK", raising=False)
    if text:
        monkeypatch.setenv("TESSERA_UMASK", text)
    warehouse = tmp_path / "warehouse" / "tessera.duckdb"

    def write() -> str:
        warehouse.parent.mkdir()
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute("create schema marts; create table marts.dim_customers as select 7 as customer_id")
        pages = ["report", "data_docs"]
        publish(
            warehouse,
            tmp_path / "serving",
            date(2024, 4, 9),
            "20240409T000000Z",
            "test",
            ["files"],
            5,
            lambda made: [(made / page).mkdir() or (made / page / "index.html").write_text(page) for page in pages],
        )
        # What commands start makes files as they do.
        subprocess.run([sys.executable, "-c", f"open({str(tmp_path / 'child')!r}, 'w')"], check=True)
        return "done"

    assert run_command(write) == 0
    assert modes(tmp_path) == {(False, file), (True, folder)}


@pytest.mark.parametrize("text", ["rwx", "", "0o27", "777", "027 ", "00027"])
def test_d7_umask_that_is_none_stops_a_command(
    umask: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    monkeypatch.setenv("TESSERA_UMASK", text)
    assert run_command(lambda: pytest.fail("it began")) == 1
    assert f"TESSERA_UMASK is '{text}', but must be" in capsys.readouterr().err


def test_d7_labels_are_no_markup_in_the_data_of_a_chart() -> None:
    """`<!--<script>` in a label stood raw in the interactive page: a browser reads on past the element's end."""
    text = charts.inline_json({"label": "<!--<script></script>&amp;-->"})
    assert not set("<>&") & set(text)
    assert text == r'{"label":"\u003c!--\u003cscript\u003e\u003c/script\u003e\u0026amp;--\u003e"}'


def test_e5_run_that_may_not_write_its_places_stops_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: None
) -> None:
    (tmp_path / "a file").write_text("no folder")
    monkeypatch.setenv("TESSERA_WAREHOUSE", str(tmp_path / "warehouse" / "tessera.duckdb"))
    monkeypatch.setenv("TESSERA_SERVING", str(tmp_path / "a file" / "serving"))
    monkeypatch.setenv("TESSERA_LOGS", str(tmp_path / "logs"))
    with pytest.raises(RunStopped, match=r"TESSERA_SERVING: .*a file\). Grant the right"):
        run_flow("daily", None, lambda _project: pytest.fail("it looked for days"))
    assert not (tmp_path / "warehouse").exists()


def test_e5_folders_that_are_not_there_yet_are_judged_by_the_one_above(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("no folder")
    places = {"here": tmp_path / "new" / "newer", "not": tmp_path / "a file" / "new"}
    assert unwritable(places) == {"not": places["not"]}

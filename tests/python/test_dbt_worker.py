"""dbt as a process that takes calls: each with its own environment, none that outlives its caller."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
import yaml
from conftest import NEXT_DAY, PUBLISHED, Shop, rows
from shop import HISTORY_START, edited

from flows.steps import dbt
from flows.steps.dbt import Worker, dbt_arguments, dbt_worker, environment, run_dbt
from flows.steps.dbt_worker import _parsed_with
from flows.steps.errors import RunStopped
from flows.steps.project import ROOT, Project
from flows.steps.window import Window

DAY = Window(NEXT_DAY, NEXT_DAY, HISTORY_START)


@pytest.fixture(autouse=True)
def no_other_worker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker that tests share stays out of the way of these."""
    if "shop" in request.fixturenames:
        request.getfixturevalue("shop")
    monkeypatch.setattr(dbt, "_kept", [])
    monkeypatch.setattr(dbt, "_users", 0)


def project_of(shop: Shop) -> Project:
    return Project(overrides=yaml.safe_load(shop.vars), warehouse=shop.warehouse, serving=shop.serving, logs=shop.logs)


def running(worker: Worker) -> list[int]:
    """The processes of the calls that a worker runs; a call is a copy of the worker."""
    children = Path(f"/proc/{worker.process}/task/{worker.process}/children").read_text().split()
    command = Path(f"/proc/{worker.process}/cmdline").read_bytes()
    return [int(child) for child in children if Path(f"/proc/{child}/cmdline").read_bytes() == command]


def is_gone(process: int) -> bool:
    """Whether a process has ended, within some seconds."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


def test_calls_of_one_worker_have_their_own_days_vars_and_warehouse(shop: Shop, tmp_path: Path) -> None:
    """What was parsed is kept from call to call: a day, a folder or a warehouse must not be."""
    project = project_of(shop)
    other = replace(project, warehouse=tmp_path / shop.warehouse.name)
    days = ["segmentation_days"]
    with dbt_worker() as worker:
        run_dbt(dbt_arguments("run", project, select=days), project, DAY, print)
        assert rows(project.warehouse, "select max(as_of_date) from history.segmentation_days") == [(NEXT_DAY,)]
        # Nobody has the warehouse open between calls, and nothing of it lies in a log.
        duckdb.connect(str(project.warehouse)).close()
        assert not project.warehouse.with_name(f"{project.warehouse.name}.wal").exists()

        first = Window(HISTORY_START, HISTORY_START, HISTORY_START)
        run_dbt(dbt_arguments("run", other, select=days), other, first, print)
        built = rows(other.warehouse, "select distinct as_of_date from history.segmentation_days")
        assert built == [(HISTORY_START,)]

        moved = replace(other, overrides=other.overrides | {"files_folder": str(tmp_path / "nowhere")})
        with pytest.raises(RunStopped, match="there is no file"):
            run_dbt(dbt_arguments("run", moved, select=days), moved, first, print)
        wrong = replace(other, overrides=other.overrides | {"earliest_order_date": "yesterday"})
        with pytest.raises(RunStopped, match="earliest_order_date"):
            run_dbt(dbt_arguments("run", wrong, select=days), wrong, first, print)
        # A call that failed leaves the worker as it was.
        run_dbt(dbt_arguments("run", project, select=days), project, replace(DAY, first=PUBLISHED), print)
        with dbt_worker() as same:
            assert same is worker
        assert worker.is_alive
    assert is_gone(worker.process)


def test_call_that_nobody_waits_for_any_more_is_ended(shop: Shop) -> None:
    project = project_of(shop)

    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    with dbt_worker() as worker:
        call = worker.call(dbt_arguments("build", project), environment(project, DAY))
        lines = iter(call)
        next(lines)
        (process,) = running(worker)
        lines.close()
        assert is_gone(process)
        assert not worker.is_alive
    # The next one is a worker of its own.
    with dbt_worker() as other, pytest.raises(KeyboardInterrupt):
        run_dbt(dbt_arguments("run", project), project, DAY, interrupt)
    assert is_gone(other.process)
    run_dbt(dbt_arguments("run", project, select=["segmentation_days"]), project, DAY, print)


@pytest.mark.parametrize("killed", ["worker", "call"])
def test_call_whose_process_is_killed_says_so(shop: Shop, killed: str) -> None:
    project, seen = project_of(shop), []

    def kill(line: str) -> None:
        if not seen:
            seen.append(running(worker)[0])
            os.kill(worker.process if killed == "worker" else seen[0], signal.SIGKILL)

    with dbt_worker() as worker:
        with pytest.raises(RunStopped, match="ended with status -9"):
            run_dbt(dbt_arguments("run", project), project, DAY, kill)
        assert is_gone(seen[0])
        run_dbt(dbt_arguments("run", project, select=["segmentation_days"]), project, DAY, print)


def test_worker_and_call_end_with_the_process_that_is_killed(shop: Shop) -> None:
    project = project_of(shop)
    code = (
        "import json, os, sys\n"
        "from flows.steps.dbt import Worker\n"
        "arguments, environment = json.loads(sys.argv[1])\n"
        "worker = Worker(); lines = iter(worker.call(arguments, environment)); next(lines)\n"
        "print(worker.process, flush=True); sys.stdin.read()"
    )
    call = json.dumps([dbt_arguments("build", project), environment(project, DAY)])
    with subprocess.Popen(
        [sys.executable, "-c", code, call], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as caller:
        worker = int(caller.stdout.readline())
        children = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
        assert children
        caller.kill()
    assert all(is_gone(process) for process in (worker, *map(int, children)))


def test_worker_that_cannot_start_says_what_it_said_last(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> None:
    monkeypatch.setenv("PYTHONPATH", str(shop.folder))
    (shop.folder / "dbt.py").write_text("raise ImportError('no dbt here')")
    with pytest.raises(RunStopped, match=r"ended with status 1\..*no dbt here"):
        run_dbt(dbt_arguments("run", project_of(shop)), project_of(shop), DAY, print)


def test_what_was_parsed_is_used_again_unless_something_changed_that_dbt_parses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dbt_project.yml", "profiles.yml"):
        (tmp_path / name).write_text("-")
    (tmp_path / "models").mkdir()
    model = tmp_path / "models" / "one.sql"
    model.write_text("select 1 as number")

    def parsed(**variables: object) -> str:
        return _parsed_with(["run", "--project-dir", str(tmp_path), "--vars", json.dumps(variables)])

    known = parsed(files_folder="a", lapsed_days=90)
    for place in ("TESSERA_LAST_DATE", "DBT_TARGET_PATH", "DBT_LOG_PATH"):
        monkeypatch.setenv(place, "2024-01-01")
    monkeypatch.setenv("TESSERA_WAREHOUSE", f"{tmp_path}/one/tessera.duckdb")
    named = parsed(files_folder="b", lapsed_days=90)
    monkeypatch.setenv("TESSERA_WAREHOUSE", f"{tmp_path}/two/tessera.duckdb")
    assert parsed(files_folder="b", lapsed_days=90) == named
    assert named != known
    assert parsed(files_folder="b", lapsed_days=91) != named
    monkeypatch.setenv("DBT_WARN_ERROR", "true")
    assert parsed(files_folder="b", lapsed_days=90) != named
    monkeypatch.delenv("DBT_WARN_ERROR")
    model.write_text("select 10 as number")
    assert parsed(files_folder="b", lapsed_days=90) != named


def test_bare_dbt_refuses_stale_sql_before_it_touches_a_table(tmp_path: Path) -> None:
    """From any folder, for dbt does not change to the project's."""
    project = tmp_path / "a shop's project"
    kept_out = shutil.ignore_patterns(".venv", ".git", "warehouse", "serving", "target", "logs", "build", "__pycache__")
    shutil.copytree(ROOT, project, ignore=kept_out)
    edited(project / "models/segmentations/seg_lifecycle.yml", "active_days_90d >= 13", "active_days_90d >= 14")
    warehouse = tmp_path / "tessera.duckdb"
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("dbt")),
            "build",
            "--project-dir",
            project.name,
            "--profiles-dir",
            project.name,
        ],
        cwd=tmp_path,
        env=os.environ | {"TESSERA_WAREHOUSE": str(warehouse)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "It was not made from the present models/segmentations/seg_lifecycle.yml." in done.stdout
    assert rows(warehouse, "select count(*) from duckdb_tables()") == [(0,)]

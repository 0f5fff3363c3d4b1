"""Flows are plain functions, and Prefect's where it watches."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import PUBLISHED, Shop
from shop import write_shop

from flows.steps import notify, watch
from flows.steps.api import call_flow
from flows.steps.errors import RunStopped
from flows.steps.project import ROOT
from flows.steps.watch import api_url, leave_artifact, step, without_api

QUOTED = "forget-4711@example.com"
SLOW = ("prefect", "dbt", "great_expectations", "pandas", "scipy", "matplotlib", "sqlalchemy")


def without_prefect(home: Path, **variables: str) -> dict[str, str]:
    """The environment of somebody who has never used Prefect."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    return environment | {"HOME": str(home)} | variables


def run_python(code: str, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


SWALLOWED = """
import os, signal
from flows.steps.api import call_flow
from flows.steps.watch import step

@step("a step whose library drops what it does not know")
def first():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except BaseException as error:
        print(type(error).__name__, flush=True)

@step("another step")
def second():
    print("went on", flush=True)

def steps():
    first()
    second()

call_flow(steps)
"""


def test_run_that_is_told_to_end_ends_though_a_library_dropped_the_exception(tmp_path: Path) -> None:
    done = run_python(SWALLOWED, without_prefect(tmp_path))
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "Terminated\n"), done.stderr


def test_run_that_finds_nothing_to_do_imports_nothing_slow_and_starts_nothing(shop: Shop) -> None:
    write_shop(shop.files, PUBLISHED)
    for name in ("home", "temporary"):
        (shop.folder / name).mkdir()
    code = (
        "import sys; from flows.daily import main; from flows.steps import dbt\n"
        "sys.argv = ['flows.daily', '--vars', sys.argv[1]]; status = main()\n"
        f"print('loaded:', [name for name in {SLOW} if name in sys.modules], dbt._kept); sys.exit(status)"
    )
    environment = without_prefect(shop.folder / "home", TMPDIR=str(shop.folder / "temporary"), **shop.environment())
    done = run_python(code, environment, shop.vars)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [
        "Nothing to do: every complete day of the sources is published.",
        "loaded: [] []",
    ]
    for name in ("home", "temporary"):
        assert list((shop.folder / name).iterdir()) == []


def test_d2_without_an_api_prefect_keeps_nothing_of_what_stops_a_run(tmp_path: Path) -> None:
    code = (
        "import sys, prefect\n"
        "from flows.steps.api import call_flow\n"
        "from flows.steps.errors import RunStopped\n"
        "from flows.steps.watch import flow, step\n"
        "@step('given')\n"
        "def given(key): return key\n"
        "@flow('stops')\n"
        "def stops(key): raise RunStopped(given(key))\n"
        "assert isinstance(stops, prefect.Flow)\n"
        "for call in (lambda: call_flow(stops, key=sys.argv[1]), lambda: stops(sys.argv[1])):\n"
        "    try: call()\n"
        "    except RunStopped as stopped: print(stopped)\n"
    )
    (tmp_path / "home").mkdir()
    (tmp_path / "temporary").mkdir()
    places = {"TMPDIR": str(tmp_path / "temporary"), "TESSERA_SERVING": str(tmp_path / "serving")}
    done = run_python(code, without_prefect(tmp_path / "home", **places), QUOTED)
    assert done.stdout.splitlines() == [QUOTED, QUOTED], done.stderr
    having = [path for path in tmp_path.rglob("*") if path.is_file() and QUOTED.encode() in path.read_bytes()]
    assert having == []


def test_step_is_tried_again_if_that_can_help(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []
    monkeypatch.setattr(watch.time, "sleep", waited.append)
    errors: list[Exception] = []

    @step("tries")
    def tries() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    errors[:] = [OSError("Input/output error"), OSError("Input/output error")]
    assert tries() == "done"
    assert waited == [5, 30]
    errors[:] = [OSError("Input/output error")] * 3
    with pytest.raises(OSError, match="Input/output error"):
        tries()
    assert errors == []
    for final in (RunStopped("a wrong rule"), PermissionError("read-only"), KeyboardInterrupt()):
        errors[:] = [final]
        with pytest.raises(type(final)):
            tries()
    assert waited == [5, 30, 5, 30]


@pytest.mark.parametrize(
    ("file", "text", "is_set"),
    [
        ("profiles.toml", 'active = "own"\n[profiles.own]\nPREFECT_API_URL = "http://127.0.0.1:4200/api"\n', True),
        ("profiles.toml", 'active = "ephemeral"\n[profiles.ephemeral]\n', False),
    ],
)
def test_api_may_be_set_in_a_profile_of_prefects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, is_set: bool
) -> None:
    (tmp_path / file).write_text(text)
    code = "import sys; from flows.steps.watch import api_url; print(api_url(), 'prefect' in sys.modules)"
    done = run_python(code, without_prefect(tmp_path, PREFECT_HOME=str(tmp_path)))
    assert done.stdout.strip() == ("http://127.0.0.1:4200/api True" if is_set else "None False"), done.stderr


@pytest.mark.parametrize("file", ["prefect.toml", "pyproject.toml", ".env"])
def test_api_may_be_set_in_a_file_beside_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert not watch._may_be_set()
    texts = {
        "prefect.toml": '[api]\nurl = "http://x/api"\n',
        "pyproject.toml": '[tool.prefect]\napi.url = "http://x/api"\n',
        ".env": "PREFECT_API_URL=http://x/api\n",
    }
    (tmp_path / file).write_text(texts[file])
    assert watch._may_be_set()


def flow_runs() -> list[tuple[str, str, list[str]]]:
    """What Prefect knows: flow runs as flow, state and task runs."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    async def ask() -> list[tuple[str, str, list[str]]]:
        async with get_client() as client:
            found = []
            for run in await client.read_flow_runs():
                flow = await client.read_flow(run.flow_id)
                only = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
                tasks = await client.read_task_runs(flow_run_filter=only)
                found.append((flow.name, run.state_name, sorted(task.name.rpartition("-")[0] for task in tasks)))
            return found

    return asyncio.run(ask())


def test_prefect_sees_flows_of_deployments_with_their_steps_and_artifacts(shop: Shop, prefect_api: None) -> None:
    """As a worker does it: load the entrypoint, run the flow."""
    from prefect import Flow
    from prefect.artifacts import Artifact
    from prefect.flow_engine import run_flow
    from prefect.flows import load_flow_from_entrypoint

    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    flows = {}
    for deployment in deployments:
        path, name = deployment["entrypoint"].split(":")
        flows[name] = load_flow_from_entrypoint(f"{ROOT / path}:{name}", use_placeholder_flow=False)
        assert isinstance(flows[name], Flow)
        assert set(deployment["parameters"]) <= set(flows[name].parameters.properties)
    assert run_flow(flows["daily"], parameters={"vars": shop.vars, "as_of": None}).startswith("Released 2024-04-10")
    assert flow_runs() == [
        ("daily", "Completed", ["build inputs", "build marts", "check inputs", "check marts", "notify", "release"])
    ]
    assert "customers" in Artifact.get("daily-summary").data
    with pytest.raises(RunStopped, match="already published"):
        run_flow(flows["daily"], parameters={"vars": shop.vars, "as_of": "2024-04-10"})
    assert sorted(state for _, state, _ in flow_runs()) == ["Completed", "Failed"]


def test_step_under_prefect_is_tried_again_as_it_is_without(monkeypatch: pytest.MonkeyPatch, prefect_api: None) -> None:
    errors = [OSError("Input/output error"), RunStopped("a wrong rule")]

    @step("tries", delays=(0, 0))
    def tries() -> str:
        raise errors.pop(0)

    @watch.flow("retries")
    def retries() -> str:
        return tries()

    assert api_url()
    with pytest.raises(RunStopped, match="a wrong rule"):
        call_flow(retries)
    assert errors == []
    assert ("retries", "Failed", ["tries"]) in flow_runs()
    with without_api():
        assert api_url() is None
        leave_artifact("nowhere", "", "")


def test_secret_of_prefects_is_not_asked_for_where_there_is_no_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TESSERA_NOTIFY", raising=False)
    monkeypatch.setenv("TESSERA_NOTIFY_BLOCK", "owners")
    with without_api(), pytest.raises(RunStopped, match="PREFECT_API_URL is not set"):
        notify.targets()

"""What Prefect's temporary API knows of a run ends with it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from flows.steps.api import HOME, temporary_home
from flows.steps.project import ROOT

QUOTED = "forget-4711@example.com"

# A flow that is stopped by what quotes somebody, in a process that waits to be killed.
CHILD = f"""
import sys
from prefect import flow, task
from flows.steps.api import answering_api, call_flow
from flows.steps.errors import RunStopped

@task(persist_result=True)
def given(key):
    return key

@flow(persist_result=True)
def stops():
    given("{QUOTED}")
    raise RunStopped("{QUOTED}")

with answering_api():
    try:
        call_flow(stops)
    except RunStopped:
        print("stopped", flush=True)
    sys.stdin.read()
"""


def having(folder: Path) -> set[str]:
    """The files in a folder that quote somebody, by the first folder of their paths."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).parts[0] for path in files if QUOTED.encode() in path.read_bytes()}


def test_d2_what_a_temporary_api_knows_dies_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    kept_out = ("PREFECT_API", "PREFECT_HOME", "PREFECT_PROFILE", "PREFECT_SERVER_DATABASE", "PREFECT_LOCAL_STORAGE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(kept_out)}
    environment |= {"HOME": str(home), "TMPDIR": str(temporary), "TESSERA_SERVING": str(tmp_path / "serving")}
    # Of another API's database nothing is for this one.
    environment["PREFECT_API_DATABASE_CONNECTION_URL"] = f"sqlite+aiosqlite:///{home}/own.db"
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "stopped\n"
        (made,) = temporary.glob(f"{HOME}*")
        assert having(temporary) == {made.name}
        assert QUOTED.encode() in (made / "prefect.db").read_bytes() + (made / "prefect.db-wal").read_bytes()
        assert list((made / "storage").iterdir())
        # As long as its process lives, no other run takes it away.
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        with temporary_home() as other:
            assert set(temporary.glob(f"{HOME}*")) == {made, other}
        child.kill()
    assert made.is_dir()
    assert having(home) == set()
    assert {path.name for path in home.rglob("*") if path.is_file()} == set()
    with temporary_home() as other:
        assert list(temporary.iterdir()) == [other]
        assert other.stat().st_mode & 0o777 == 0o700
    assert list(temporary.iterdir()) == []

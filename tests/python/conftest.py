"""What all tests share: a shop whose first days are published, one dbt for all runs, and one Prefect API."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest
import yaml
from filelock import FileLock
from shop import shop_vars, write_shop

import flows  # noqa: F401  (sets Prefect's environment before Prefect is imported)

# What tests need, by their fixtures and modules; `make test-fast` leaves all of them out.
NEEDS = {
    "flow": {"prefect_api", "published_shop", "shop", "text_shop", "test_demo", "test_growth"},
    "dbt": {"manifest", "models", "published_shop", "shop", "text_shop", "test_dbt_worker", "test_demo", "test_growth"},
    "browser": {"browser"},
    # A minute or more of days that follow each other, or of Great Expectations, each.
    "slow": {
        *("test_expectations", "test_explanations", "test_mart_files", "test_measures", "test_oracle", "test_orders"),
        *("test_lint", "test_proofs", "test_schedules"),
    },
}

PUBLISHED = date(2024, 4, 9)
NEXT_DAY = PUBLISHED + timedelta(days=1)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    for mark in NEEDS:
        config.addinivalue_line("markers", f"{mark}: what it needs, see NEEDS in tests/python/conftest.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with what it needs."""
    for item in items:
        has = {item.path.stem, *getattr(item, "fixturenames", ())}
        for mark, names in NEEDS.items():
            if has & names:
                item.add_marker(mark)


@dataclass(frozen=True)
class Shop:
    """A shop with its own files, warehouse and releases."""

    folder: Path

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse" / "tessera.duckdb"

    @property
    def serving(self) -> Path:
        return self.folder / "serving"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def vars(self) -> str:
        return yaml.safe_dump(shop_vars(self.files))

    def environment(self) -> dict[str, str]:
        return {
            "TESSERA_WAREHOUSE": str(self.warehouse),
            "TESSERA_SERVING": str(self.serving),
            "TESSERA_LOGS": str(self.logs),
        }

    def fingerprint(self) -> str:
        """A hash of everything that readers of serving/current can see."""
        digest = sha256(str((self.serving / "current").readlink()).encode())
        for path in sorted((self.serving / "current").resolve().rglob("*")):
            digest.update(str(path.relative_to(self.folder)).encode())
            if path.is_file():
                digest.update(path.read_bytes())
        return digest.hexdigest()


def rows(database: Path, query: str) -> list[tuple]:
    """What a query on a warehouse or a release gives."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.sql(query).fetchall()


def released(shop: Shop, query: str) -> list[tuple]:
    """What a query on the current release gives."""
    return rows(shop.serving / "current" / "tessera.duckdb", query)


def copy_release(serving: Path, name: str) -> Path:
    """A copy of the current release as one of another day and run, made before or after it."""
    made = shutil.copytree((serving / "current").resolve(), serving / "releases" / name)
    manifest = json.loads((made / "manifest.json").read_text())
    manifest |= {"as_of_date": name[:10], "run_id": name[11:]}
    (made / "manifest.json").write_text(json.dumps(manifest))
    return made


@pytest.fixture(scope="module")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One temporary Prefect API, for tests of what it sees of a run; others need none."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture(scope="session", autouse=True)
def own_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep dbt's files of the tests away from those of the project."""
    patch = pytest.MonkeyPatch()
    patch.setenv("DBT_TARGET_PATH", str(tmp_path_factory.mktemp("target")))
    patch.setenv("DBT_LOG_PATH", str(tmp_path_factory.mktemp("logs")))
    # No test reads the artifacts but those that ask for them.
    patch.setenv("DBT_WRITE_JSON", "false")
    yield
    patch.undo()


@pytest.fixture(scope="session")
def published_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop whose days up to PUBLISHED are released. Do not change it: use `shop`.

    The first of the test processes that needs it builds it; the others wait and copy what it built. All later runs in a
    test process call one dbt, which imports and parses once.
    """
    from flows.daily import daily
    from flows.steps.dbt import dbt_worker

    folder = tmp_path_factory.mktemp("shops")
    base = tmp_path_factory.getbasetemp()
    built = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "published"
    with FileLock(f"{built}.lock"):
        if not built.exists():
            shop = Shop(folder / "shop")
            write_shop(shop.files, PUBLISHED)
            with pytest.MonkeyPatch.context() as patch:
                for name, value in shop.environment().items():
                    patch.setenv(name, value)
                message = daily(vars=shop.vars)
            assert message.startswith(f"Released {PUBLISHED}")
            shop.folder.rename(built)
        shutil.copytree(built, folder / "published", symlinks=True)
    with dbt_worker():
        yield Shop(folder / "published")


@pytest.fixture
def shop(published_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A copy of the published shop with the orders of one more day waiting.

    It always lies in the same place: dbt parses the project again where a path in its vars or profile changes. Its
    name is one that SQL and shells take in quotes only.
    """
    copy = Shop(published_shop.folder.with_name("a shop's copy"))
    shutil.copytree(published_shop.folder, copy.folder, symlinks=True)
    write_shop(copy.files, NEXT_DAY)
    for name, value in copy.environment().items():
        monkeypatch.setenv(name, value)
    yield copy
    shutil.rmtree(copy.folder)

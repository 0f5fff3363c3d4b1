"""What must not grow: the warehouse, when the same day is built again and again."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
from conftest import PUBLISHED, Shop
from shop import HISTORY_START

from flows.steps.dbt import dbt_arguments
from flows.steps.project import ROOT, Project

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def statements_of_a_run(shop: Shop, folder: Path) -> list[tuple[str, list[str]]]:
    """Build the models of the published day again; returns dbt's statements by model, in the order of the models."""
    project = Project.with_vars(shop.vars)
    environment = os.environ | shop.environment()
    environment |= {"TESSERA_FIRST_DATE": str(PUBLISHED), "TESSERA_LAST_DATE": str(PUBLISHED)}
    environment |= {"TESSERA_HISTORY_START": str(HISTORY_START), "DBT_LOG_PATH": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [str(Path(sys.executable).with_name("dbt")), "--log-format-file", "json", "--log-level-file", "debug"]
    # Python models have no statements to be replayed.
    arguments = dbt_arguments("run", project, exclude=[path.stem for path in (ROOT / "models").rglob("*.py")])
    subprocess.run([*command, *arguments], cwd=ROOT, env=environment, check=True)
    models: dict[str, list[str]] = {}
    for line in (folder / "dbt.log").read_text().splitlines():
        event = json.loads(line)
        if event["info"]["name"] == "SQLQuery" and event["data"]["conn_name"].startswith("model."):
            sql = COMMENT.sub("", event["data"]["sql"]).strip()
            models.setdefault(event["data"]["conn_name"], []).append(sql)
    return list(models.items())


def sizes_of_reruns(warehouse: Path, models: list[tuple[str, list[str]]], times: int) -> Iterator[int]:
    """Bytes of the warehouse after each rerun of the statements, each in a process's worth of a connection."""
    for _ in range(times):
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute("set preserve_insertion_order = false")
            for _, statements in models:
                in_transaction = False
                for sql in statements:
                    if sql.upper() in ("BEGIN", "COMMIT"):
                        if in_transaction == (sql.upper() == "BEGIN"):
                            continue
                        in_transaction = not in_transaction
                    connection.execute(sql)
        yield warehouse.stat().st_size


def test_the_warehouse_does_not_grow_when_a_day_is_built_again(shop: Shop, tmp_path: Path) -> None:
    models = statements_of_a_run(shop, tmp_path)
    assert len(models) > 40
    sizes = list(sizes_of_reruns(shop.warehouse, models, 8))
    # Freed blocks are used again; how many are free at an instant wavers.
    assert max(sizes[2:]) <= 1.1 * max(sizes[:2]), sizes

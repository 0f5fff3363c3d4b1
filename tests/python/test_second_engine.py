"""Every SQL model runs on a second engine, Sail, and gives the rows that DuckDB gave.

Each reads DuckDB's own tables, so a difference is one of the model that shows it and of no other.
"""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from conftest import PUBLISHED, Shop
from shop import HISTORY_START

from flows.steps.dbt import environment
from flows.steps.project import ROOT, Project
from flows.steps.window import Window

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# What is not compared, and why.
EXCEPTIONS: dict[str, str] = {}

# Engines add doubles in different orders: they are equal if they are to so many digits.
DIGITS = 12


@dataclass(frozen=True)
class Model:
    """A SQL model that dbt compiled for Spark, and where DuckDB has its rows."""

    name: str
    relation: str
    sql: str


@pytest.fixture(scope="module")
def spark() -> Iterator["SparkSession"]:
    """A session on a server of Sail in this process."""
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    host, port = server.listening_address
    with warnings.catch_warnings():
        # The client does not know pandas 3, which nothing here hands it.
        warnings.simplefilter("ignore", FutureWarning)
        from pyspark.sql import SparkSession

        session = SparkSession.builder.remote(f"sc://{host}:{port}").getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    yield session
    session.stop()
    server.stop()


def compiled_models(shop: Shop, run_id: str, address: str, target: Path) -> list[Model]:
    """The SQL models of a shop in Spark's SQL, each as it is built where nothing is yet, for all days."""
    project = Project.with_vars(shop.vars)
    found = environment(project, Window(HISTORY_START, PUBLISHED, HISTORY_START))
    found |= {"TESSERA_WAREHOUSE": str(shop.warehouse), "TESSERA_SPARK": address, "PYTHONWARNINGS": "ignore"}
    # The run whose files are counted.
    found |= {"TESSERA_RUN_ID": run_id}
    found |= {"DBT_TARGET_PATH": str(target), "DBT_WRITE_JSON": "true"}
    command = [str(Path(sys.executable).with_name("dbt")), "--quiet", "compile", "--target", "spark"]
    command += ["--no-populate-cache", "--select", "resource_type:model", "--vars", shop.vars]
    subprocess.run(command, cwd=ROOT, env=found, check=True)
    nodes = json.loads((target / "manifest.json").read_text())["nodes"].values()
    return [
        Model(node["name"], f"{node['schema']}.{node['alias']}", node["compiled_code"])
        for node in nodes
        if node["resource_type"] == "model" and node["language"] == "sql"
    ]


def hand_over(connection: duckdb.DuckDBPyConnection, session: "SparkSession", folder: Path) -> None:
    """Give Sail all tables and views of a warehouse, as Parquet."""
    names = connection.sql("select table_schema, table_name from information_schema.tables").fetchall()
    for schema in sorted({schema for schema, _ in names}):
        session.sql(f"create schema if not exists {schema}")
    for schema, name in names:
        file = folder / f"{schema}.{name}.parquet"
        connection.sql(f"copy (select * from {schema}.{name}) to '{file}' (format parquet)")
        session.sql(f"create table {schema}.{name} using parquet location '{file}'")


def difference(expected: pa.Table, found: pa.Table) -> str | None:
    """How the rows of two tables differ, in words; None where they do not."""
    # dbt puts the columns of a contract in its order.
    if sorted(expected.column_names) != sorted(found.column_names):
        return f"columns {found.column_names}, not {expected.column_names}"
    found = found.select(expected.column_names)
    if len(expected) != len(found):
        return f"{len(found)} rows, not {len(expected)}"
    columns = expected.column_names
    measured = [name for name in columns if pa.types.is_floating(expected.schema.field(name).type)]
    # Doubles come last: rows that are the same but for a last digit stay side by side.
    order = ", ".join(f'"{name}"' for name in sorted(columns, key=lambda name: name in measured))
    with duckdb.connect() as connection:
        connection.register("expected", expected)
        typed = ", ".join(
            f'cast("{name}" as {kind}) as "{name}"'
            for name, kind, *_ in connection.sql("describe expected").fetchall()
        )
        connection.register("given", found)
        mine = connection.sql(f"select {typed} from given order by {order}").to_arrow_table()
        theirs = connection.sql(f"from expected order by {order}").to_arrow_table()
    for name in columns:
        if name not in measured:
            if mine[name] != theirs[name] and not mine[name].equals(theirs[name]):
                wrong = next(i for i in range(len(mine)) if mine[name][i].as_py() != theirs[name][i].as_py())
                return f"{name}: {mine[name][wrong]}, not {theirs[name][wrong]} in {theirs.slice(wrong, 1).to_pylist()}"
            continue
        one, other = (table[name].to_numpy(zero_copy_only=False).astype(float) for table in (mine, theirs))
        if mine[name].is_null() != theirs[name].is_null():
            return f"{name}: null in other rows"
        near = np.isclose(one, other, rtol=10.0**-DIGITS, atol=0, equal_nan=True)
        if not near.all():
            wrong = int(np.argmin(near))
            return f"{name}: {one[wrong]!r}, not {other[wrong]!r} in {(~near).sum()} rows: {theirs.slice(wrong, 1).to_pylist()}"
    return None

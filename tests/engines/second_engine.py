"""Every SQL model gives on a second engine, Sail, which speaks Spark's SQL, the rows that it gave on DuckDB.

Each reads the tables that DuckDB built, so a difference is of the model that shows it and of no other. Segments and
their history are the same to the last row; doubles are to DIGITS digits, because engines add in different orders. dbt
runs Python models on Spark nowhere but at Databricks, so they are left out.
"""

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from conftest import Shop
from shop import HISTORY_START, read_rows, shop_vars, write_rows, write_shop

from flows.steps.dbt import INPUTS, dbt_arguments, environment, run_dbt
from flows.steps.project import ROOT, Project
from flows.steps.window import Window

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DIGITS = 12

# Long enough for months to be compared and for alerts to know what is usual.
LAST = date(2024, 7, 14)
WINDOW = Window(HISTORY_START, LAST, HISTORY_START)

BUILT = ("--resource-type", "model", "--resource-type", "seed")

# Models that are not run on the second engine.
EXCEPTIONS = {
    "source_values": "counts what could not be read in files, which are read by DuckDB wherever the models run",
}
# Columns that each engine has of its own, so that only whether they are null is compared.
OWN_COLUMNS = {
    ("customer_category_days", "fingerprint"): "hashes of lines, by a function of the engine",
    ("customer_days", "fingerprint"): "hashes of lines, by a function of the engine",
    ("delivered_days", "fingerprint"): "hashes of lines, by a function of the engine",
    ("measured_days", "measures_version"): "a hash of the engine's own SQL",
}
# Models without rows here, of which a comparison says little.
EMPTY = {
    "fct_late_arrivals": "the first run of a warehouse knows of nothing late",
    "late_customer_days": "the first run of a warehouse knows of nothing late",
    "ops_checks": "dbt builds without a run of the flows",
    "ops_restated_customers": "nothing is restated",
    "ops_restatements": "nothing is restated",
    "ops_runs": "dbt builds without a run of the flows",
    "ops_source_files": "dbt builds without a run of the flows",
}


@dataclass(frozen=True)
class Model:
    """A SQL model that dbt compiled for Spark, and where DuckDB has its rows."""

    name: str
    relation: str
    sql: str


@pytest.fixture(scope="module")
def shop_built_at_once(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose days up to LAST are built, without a release: every log is as its first run leaves it."""
    shop = Shop(tmp_path_factory.mktemp("engines"))
    write_shop(shop.files, LAST)
    add_what_is_rare(shop.files)
    project = project_of(shop)
    run_dbt([*dbt_arguments("build", project, select=INPUTS), *BUILT], project, WINDOW, print)
    run_dbt([*dbt_arguments("build", project, exclude=INPUTS), *BUILT], project, WINDOW, print)
    return shop


@pytest.fixture(scope="module")
def sail() -> Iterator[str]:
    """The address of a server of Sail in this process."""
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    host, port = server.listening_address
    yield f"sc://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def spark(sail: str) -> Iterator["SparkSession"]:
    """A session on that server, in UTC."""
    with warnings.catch_warnings():
        # The client does not know pandas 3, which nothing here hands it.
        warnings.simplefilter("ignore", FutureWarning)
        from pyspark.sql import SparkSession

        session = SparkSession.builder.remote(sail).getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    yield session
    session.stop()


def test_models_give_the_same_rows_on_the_second_engine(
    shop_built_at_once: Shop, sail: str, spark: "SparkSession", tmp_path: Path
) -> None:
    models = compiled_models(shop_built_at_once, sail, tmp_path)
    differences: dict[str, str] = {}
    empty: set[str] = set()
    with duckdb.connect(str(shop_built_at_once.warehouse), read_only=True) as connection:
        hand_over(connection, spark, tmp_path)
        for model in models:
            expected = connection.sql(f"from {model.relation}").to_arrow_table()
            if not len(expected):
                empty.add(model.name)
            own = [column for name, column in OWN_COLUMNS if name == model.name]
            found = difference(expected, model, spark, own)
            if found:
                differences[model.name] = found
    assert len(models) > 120
    assert {name: told for name, told in differences.items() if name not in EXCEPTIONS} == {}
    # Whatever runs by now is compared from now on.
    assert EXCEPTIONS.keys() <= differences.keys()
    assert empty == EMPTY.keys()


def project_of(shop: Shop) -> Project:
    """The project with the settings of a shop, whose days are built in one part."""
    return Project(overrides=shop_vars(shop.files), warehouse=shop.warehouse, logs=shop.logs)


def add_what_is_rare(files: Path) -> None:
    """Deliver what the shop has none of: cancelled and rejected lines, orders of several days, and late contacts."""
    header, *lines = read_rows(files / "transactions.csv")
    sold = ["12.00", "p1", "1", "0", "0", "4.00"]
    returned = ["-12.00", "p1", "-1", "0", "0", ""]
    more = [
        ["1", "over days", "2024-05-01 10:00:00", *sold, ""],
        ["1", "over days", "2024-05-02 10:00:00", *sold, ""],
        ["1", "over days", "2024-05-03 10:00:00", *returned, ""],
        ["1", "over days", "2024-05-04 10:00:00", *returned, ""],
        ["2", "over days", "2024-05-05 10:00:00", *sold, ""],
        ["3", "no sale", "2024-05-06 10:00:00", *sold, "Cancelled"],
        ["999999", "nobody's", "2024-05-07 10:00:00", *sold, ""],
    ]
    write_rows(files / "transactions.csv", [[*header, "order_status"], *([*line, ""] for line in lines), *more])
    contacted = range(0, 1200, 2)
    write_rows(
        files / "contacts.csv",
        [*read_rows(files / "contacts.csv"), *([str(one), "summer", "2024-05-20"] for one in contacted)],
    )
    write_rows(
        files / "responses.csv",
        [*read_rows(files / "responses.csv"), *([str(one), "summer", "o2", "2024-05-27"] for one in contacted[::3])],
    )


def compiled_models(shop: Shop, address: str, target: Path) -> list[Model]:
    """The SQL models in Spark's SQL, each as it is built where there is nothing yet."""
    project = project_of(shop)
    found = environment(project, WINDOW) | {"TESSERA_SPARK": address, "PYTHONWARNINGS": "ignore::FutureWarning"}
    found |= {"DBT_TARGET_PATH": str(target), "DBT_WRITE_JSON": "true"}
    command = [str(Path(sys.executable).with_name("dbt")), "--quiet"]
    command += dbt_arguments("compile", project, select=["resource_type:model"])
    command += ["--target", "spark", "--no-populate-cache"]
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
        connection.sql(f"copy (from {schema}.{name}) to '{file}' (format parquet)")
        session.sql(f"create table {schema}.{name} using parquet location '{file}'")


def difference(expected: pa.Table, model: Model, session: "SparkSession", own: list[str]) -> str | None:
    """How the rows of a model differ on the second engine, in words; None where they do not."""
    from pyspark.errors import PySparkException

    try:
        found = session.sql(model.sql).toArrow()
    except PySparkException as error:
        return str(error)[:500]
    # dbt puts the columns in the order of their contract.
    if sorted(expected.column_names) != sorted(found.column_names):
        return f"columns {found.column_names}, not {expected.column_names}"
    if len(expected) != len(found):
        return f"{len(found)} rows, not {len(expected)}"
    theirs, mine = in_one_order(expected, found, own)
    for name in expected.column_names:
        one, other = mine[name].combine_chunks(), theirs[name].combine_chunks()
        if pa.types.is_floating(other.type):
            left, right = (column.to_numpy(zero_copy_only=False).astype(float) for column in (one, other))
            same = np.isclose(left, right, rtol=10.0**-DIGITS, atol=0, equal_nan=True)
            same &= np.asarray(one.is_null()) == np.asarray(other.is_null())
        else:
            same = np.array([a == b for a, b in zip(one.to_pylist(), other.to_pylist(), strict=True)], dtype=bool)
        if not same.all():
            wrong = int(np.argmin(same))
            row = theirs.slice(wrong, 1).to_pylist()[0]
            return f"{name} in {(~same).sum()} rows: {one[wrong]}, not {other[wrong]}, in {row}"
    return None


def in_one_order(expected: pa.Table, found: pa.Table, own: list[str]) -> tuple[pa.Table, pa.Table]:
    """Both tables with the expected types and columns, sorted; of columns of its own, whether they are null."""
    with duckdb.connect() as connection:
        connection.register("expected", expected)
        connection.register("found", found)
        types = {name: kind for name, kind, *_ in connection.sql("describe expected").fetchall()}
        columns = ", ".join(
            f'"{name}" is null as "{name}"' if name in own else f'cast("{name}" as {kind}) as "{name}"'
            for name, kind in types.items()
        )
        # Doubles last: rows that are the same but for a last digit stay side by side.
        keys = sorted(types, key=lambda name: types[name] == "DOUBLE" and name not in own)
        order = ", ".join(f'"{name}"' for name in keys)
        sorted_rows = "select * from (select {} from {}) order by {}"
        theirs, mine = (sorted_rows.format(columns, table, order) for table in ("expected", "found"))
        return connection.sql(theirs).to_arrow_table(), connection.sql(mine).to_arrow_table()

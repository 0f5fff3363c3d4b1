"""Tables and views are put in place of what was there (macros/materializations)."""

import duckdb
import pytest
import yaml
from conftest import PUBLISHED, Shop, rows
from shop import HISTORY_START

from flows.steps.dbt import dbt_arguments, run_dbt
from flows.steps.errors import RunStopped
from flows.steps.project import Project
from flows.steps.window import Window

KINDS = "select table_name, table_type from information_schema.tables where table_schema = 'marts' and table_name in {}"


def test_table_or_view_takes_the_place_of_what_has_its_name_or_leaves_it(shop: Shop) -> None:
    project = Project(overrides=yaml.safe_load(shop.vars), warehouse=shop.warehouse, logs=shop.logs)
    names = ("dim_segments", "ops_runs")
    before = rows(shop.warehouse, "from marts.dim_segments order by all")
    with duckdb.connect(str(shop.warehouse)) as connection:
        # As if each had been the other kind in an earlier version.
        connection.execute("drop table marts.dim_segments; create view marts.dim_segments as select 1 as number")
        connection.execute("drop view marts.ops_runs; create table marts.ops_runs as select 1 as number")
    day = Window(PUBLISHED, PUBLISHED, HISTORY_START)
    for _ in range(2):
        run_dbt(dbt_arguments("run", project, select=names), project, day, print)
        kinds = dict(rows(shop.warehouse, KINDS.format(names)))
        assert kinds == {"dim_segments": "BASE TABLE", "ops_runs": "VIEW"}
    assert rows(shop.warehouse, "from marts.dim_segments order by all") == before

    with duckdb.connect(str(shop.warehouse)) as connection:
        connection.execute("alter table features.pattern_expectations rename to gone")
    kept = rows(shop.warehouse, "from features.customer_expectations order by all")
    with pytest.raises(RunStopped, match="pattern_expectations"):
        run_dbt(dbt_arguments("run", project, select=["customer_expectations"]), project, day, print)
    assert rows(shop.warehouse, "from features.customer_expectations order by all") == kept
    left = "select table_name from duckdb_tables() where table_name like '%\\_\\_dbt%' escape '\\'"
    assert rows(shop.warehouse, left) == []

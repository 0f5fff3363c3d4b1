"""Cut points of rules, run by run: frozen ones stay, whatever happens to the customers of their day."""

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from flows.rules.macros import macros

SEGMENTS = [{"name": "a", "description": "-", "rule": "orders_365d > 5"}, {"name": "b", "description": "-"}]


def with_rule(rule: Any, **changes: Any) -> dict[str, Any]:
    """A definition of one rule."""
    return {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": rule}, SEGMENTS[1]]} | changes


class CutPointRuns:
    """rule_cut_points of ten customers, run by run as dbt builds it, hooks included.

    On the n-th of June customer c has bought for 100 n + c: p50 of the third is 305 while all ten are there.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        connection.execute("set threads = 1")
        connection.execute("create table customers as select unnest(range(1, 11)) as customer_id")
        connection.execute("create table measures (as_of_date date, customer_id bigint, net_sales_365d bigint)")
        connection.execute(
            "create view customer_features_history as select measures.* from measures "
            "inner join customers on measures.customer_id = customers.customer_id"
        )
        connection.execute("create view customer_features as from customer_features_history")
        connection.execute("create view measured_days as select distinct as_of_date from measures")

    def run(self, first: int, last: int, *percentiles: int, frozen_on: int | None = 3) -> None:
        """Build these days of June with rules that compare with these percentiles."""
        settings: dict[str, Any] = {}
        freezing = {"cut_points": {"frozen_on": f"2017-06-{frozen_on:02}"}} if frozen_on else {}
        known = macros(
            variables={"first_date": f"2017-06-{first:02}", "last_date": f"2017-06-{last:02}"},
            models={"seg_x": with_rule({"any": [f"net_sales_365d >= p{each}" for each in percentiles]}, **freezing)},
            config=lambda **given: settings.update(given) or "",
            is_incremental=lambda: bool(self.columns()),
            this="rule_cut_points",
            adapter={"get_columns_in_relation": lambda _: [SimpleNamespace(name=name) for name in self.columns()]},
            run_query=lambda query: SimpleNamespace(rows=self.connection.execute(query).fetchall()),
            sql=SimpleNamespace(),
        )
        self.connection.execute(f"delete from measures where as_of_date >= '2017-06-{first:02}'")
        self.connection.execute(
            "insert into measures select make_date(2017, 6, day), customer_id, 100 * day + customer_id "
            f"from customers, (select unnest(range({first}, {last} + 1)) as day)"
        )
        select = known.render("segmentations/rule_cut_points.sql")
        if not self.columns():
            self.connection.execute(f"create table rule_cut_points as {select}")
            return
        for hook in settings["pre_hook"]:
            call = hook if isinstance(hook, str) else hook["sql"]
            macro, argument = re.fullmatch(r"\{\{ (\w+)\((?:'(\w+)')?\) \}\}", call).groups()
            if macro == "add_new_columns":
                # It asks for the columns of what dbt has compiled.
                added = [name for name in self.connection.sql(select).columns if name not in self.columns()]
                for name in added:
                    self.connection.execute(f"alter table rule_cut_points add column {name} double")
            else:
                self.connection.execute(getattr(known, macro)(*([argument] if argument else [])))
        self.connection.execute(f"create or replace temporary table appended as {select}")
        for key in settings.get("unique_key", []):
            self.connection.execute(f"delete from rule_cut_points where {key} in (select {key} from appended)")
        self.connection.execute("insert into rule_cut_points by name from appended")

    def columns(self) -> list[str]:
        """The columns that the table has, none where there is no table."""
        query = "select column_name from duckdb_columns() where table_name = 'rule_cut_points' order by column_index"
        return [name for (name,) in self.connection.execute(query).fetchall()]

    def take_out(self, *customers: int) -> None:
        """Deliver these customers no more."""
        self.connection.execute("delete from customers where list_contains(?, customer_id)", [list(customers)])

    def cut_points(self, *percentiles: int) -> dict[int, Any]:
        """What is kept, by day of June."""
        columns = ", ".join(f"net_sales_365d_p{each}" for each in percentiles)
        rows = self.connection.sql(f"select day(as_of_date), {columns} from rule_cut_points order by 1").fetchall()
        assert len({day for day, *_ in rows}) == len(rows)
        return {day: values[0] if len(values) == 1 else tuple(values) for day, *values in rows}


@pytest.fixture
def cut_point_runs() -> Iterator[CutPointRuns]:
    with duckdb.connect() as connection:
        yield CutPointRuns(connection)


def test_frozen_cut_points_stay_where_customers_leave(cut_point_runs: CutPointRuns) -> None:
    """Every run once computed the frozen day again, of the customers who were still delivered, and moved everybody."""
    cut_point_runs.run(1, 3, 50)
    cut_point_runs.take_out(1, 2, 3, 4)
    for day in (4, 5):
        cut_point_runs.run(day, day, 50)
    # Those of other days tell of who was there: the middle of 5 to 10.
    assert cut_point_runs.cut_points(50) == {1: 105, 2: 205, 3: 305, 4: 407, 5: 507}


def test_a_rule_that_asks_a_frozen_day_for_more_leaves_it_what_it_has(cut_point_runs: CutPointRuns) -> None:
    cut_point_runs.run(1, 4, 50)
    cut_point_runs.take_out(1, 2, 3, 4)
    # p90 was never asked for: it is that of the customers of that day who are left.
    cut_point_runs.run(5, 5, 50, 90)
    assert cut_point_runs.cut_points(50, 90)[3] == (305, 310)
    cut_point_runs.take_out(10)
    # p50 leaves the rules while p20 is missing, and comes back.
    cut_point_runs.run(6, 6, 20, 90)
    cut_point_runs.take_out(5)
    cut_point_runs.run(7, 7, 20, 50)
    assert cut_point_runs.cut_points(20, 50, 90) == {
        **{1: (None, 105, None), 2: (None, 205, None), 3: (305, 305, 310), 4: (None, 405, None)},
        **{5: (None, 507, 510), 6: (605, None, 609), 7: (706, 707, None)},
    }


def test_a_day_that_becomes_the_frozen_one_keeps_its_cut_points(cut_point_runs: CutPointRuns) -> None:
    """What it lacks, since nobody had asked for it on that day, is computed."""
    cut_point_runs.run(1, 4, 50, frozen_on=None)
    cut_point_runs.run(5, 5, 50, 90, frozen_on=None)
    cut_point_runs.take_out(1, 2, 3, 4)
    cut_point_runs.run(6, 6, 50, 90, frozen_on=2)
    assert [cut_point_runs.cut_points(50, 90)[day] for day in (2, 3)] == [(205, 210), (305, None)]


def test_restating_the_frozen_day_computes_its_cut_points_again(cut_point_runs: CutPointRuns) -> None:
    cut_point_runs.run(1, 5, 50)
    cut_point_runs.take_out(1, 2, 3, 4)
    # Days after it: it stays.
    cut_point_runs.run(4, 5, 50)
    assert cut_point_runs.cut_points(50) == {1: 105, 2: 205, 3: 305, 4: 407, 5: 507}
    # Days from before it on, in parts.
    cut_point_runs.run(2, 2, 50)
    assert cut_point_runs.cut_points(50) == {1: 105, 2: 207}
    cut_point_runs.run(3, 5, 50)
    cut_point_runs.take_out(9, 10)
    cut_point_runs.run(6, 6, 50)
    assert cut_point_runs.cut_points(50) == {1: 105, 2: 207, 3: 307, 4: 407, 5: 507, 6: 606}


def test_frozen_cut_points_are_the_same_however_days_are_split_into_runs() -> None:
    def built(*windows: tuple[int, int]) -> dict[int, Any]:
        with duckdb.connect() as connection:
            runs = CutPointRuns(connection)
            for first, last in windows:
                runs.run(first, last, 20, 50)
            return runs.cut_points(20, 50)

    in_one_run = built((1, 6))
    assert in_one_run[3] == (302, 305)
    for windows in (((1, 2), (3, 6)), ((1, 3), (4, 6)), ((1, 5), (2, 2), (3, 4), (4, 6)), ((1, 6), (6, 6))):
        assert built(*windows) == in_one_run


def test_a_table_of_cut_points_that_was_lost_gets_the_frozen_day_back(cut_point_runs: CutPointRuns) -> None:
    cut_point_runs.run(1, 4, 50)
    cut_point_runs.connection.execute("drop table rule_cut_points")
    cut_point_runs.run(5, 5, 50)
    assert cut_point_runs.cut_points(50) == {3: 305, 5: 505}
    # So does another day that cut points are frozen on now, and it keeps them when its features are forgotten.
    cut_point_runs.run(6, 6, 50, frozen_on=4)
    cut_point_runs.connection.execute("delete from measures where as_of_date < '2017-06-05'")
    cut_point_runs.run(7, 7, 50, frozen_on=4)
    assert cut_point_runs.cut_points(50) == {3: 305, 4: 405, 5: 505, 6: 605, 7: 705}

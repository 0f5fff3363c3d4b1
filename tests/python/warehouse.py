"""The models of inputs and features on an in-memory DuckDB, without dbt: their own SQL, built as dbt would build it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import duckdb
import yaml

from flows.rules.macros import macros
from flows.steps.project import ROOT
from tests.python.oracle import Facts, Row
from tests.python.oracle_worlds import write_files

STAGED = {
    "customers": "customer_id bigint, first_seen_date date, closed_date date, customer_type varchar, age_band varchar, "
    "income_band varchar, household_size varchar, household_composition varchar, home_ownership varchar, "
    "marital_status varchar, kids_count varchar",
    "transactions": "customer_id bigint, order_id varchar, product_id varchar, ordered_at timestamp, order_date date, "
    "is_return boolean, order_status varchar, units decimal(18, 3), net_amount decimal(18, 4), "
    "discount_amount decimal(18, 4), coupon_amount decimal(18, 4), cost_amount decimal(18, 4)",
    "products": "product_id varchar, department varchar, category varchar, is_private_label boolean",
    "contacts": "customer_id bigint, campaign_id varchar, contact_date date, channel varchar",
    "responses": "customer_id bigint, campaign_id varchar, offer_id varchar, response_date date",
}
MODELS = (
    *(f"conformed/{name}" for name in ("customers", "products", "contacts", "responses")),
    *(
        f"conformed/{name}"
        for name in ("cancelled_orders", "delivered_transactions", "spread_orders", "repeated_returns")
    ),
    *(f"conformed/{name}" for name in ("checked_transactions",)),
    *(f"conformed/{name}" for name in ("transactions", "rejected_transactions", "delivered_days")),
    *(f"features/{name}" for name in ("customer_category_days", "late_customer_days", "customer_days")),
    "features/first_deliveries",
    *(f"features/{name}" for name in ("measured_days", "measure_changes", "customer_measures_history")),
    "features/customer_measures",
)
HOOK = re.compile(r"\{\{ (\w+)\((?:'(\w+)'|(\w+)\(this\))?\) \}\}")


class Relation(str):
    """A table or view as dbt names it."""

    __slots__ = ()

    def incorporate(self, path: Mapping[str, str]) -> "Relation":
        """Another one of the same schema."""
        return Relation(f"main.{path['identifier']}")


@dataclass
class _Compiled:
    """What dbt has compiled of a model, for its hooks."""

    text: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass
class _State:
    """What dbt would tell a model that it builds."""

    variables: dict[str, Any]
    model: str = ""
    exists: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    sql: _Compiled = field(default_factory=_Compiled)

    def __str__(self) -> str:
        return f"main.{self.model}"

    def incorporate(self, path: Mapping[str, str]) -> Relation:
        """Another table of the same schema."""
        return Relation(self).incorporate(path)

    def configure(self, **settings: Any) -> str:
        """What a model says in config()."""
        self.settings = settings
        return ""


class Warehouse:
    """A warehouse that runs are built in, one after the other."""

    def __init__(self, **variables: Any) -> None:
        """Begin with nothing; variables stand in place of those of dbt_project.yml."""
        known = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
        self.state = _State(known | {"sources": ["files"]} | variables)
        self.connection = duckdb.connect()
        # The tables are tiny: threads would only wait for each other.
        self.connection.execute("set threads = 1")
        self.macros = macros(
            models={},
            # With their schema, as in dbt, tables are not taken for expressions of the same name.
            relation=lambda name: Relation(f"main.{name}"),
            var=self.state.variables.__getitem__,
            this=self.state,
            config=self.state.configure,
            is_incremental=lambda: self.state.exists,
            load_cached_relation=lambda name: name if self._exists(name.removeprefix("main.")) else None,
            dbt=SimpleNamespace(type_string=lambda: "varchar", date_spine=_date_spine),
            adapter={"get_columns_in_relation": self._columns},
            run_query=lambda query: SimpleNamespace(rows=self.connection.execute(query).fetchall()),
            sql=self.state.sql,
        )

    def run(self, facts: Facts, first: date, last: date) -> None:
        """Build the days from first to last on these facts."""
        self.state.variables |= {"first_date": str(first), "last_date": str(last)}
        self._stage(facts)
        for path in MODELS:
            self._build(path)

    def rows(self, query: str) -> list[Row]:
        """The rows of a query."""
        found = self.connection.sql(query)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    def _stage(self, facts: Facts) -> None:
        """What staging makes of the files: typed columns, with defaults."""
        with TemporaryDirectory() as folder:
            write_files(facts, Path(folder))
            for name, columns in STAGED.items():
                file = Path(folder) / f"{name}.csv"
                self.connection.execute(f"create or replace table stg_files__{name} ({columns})")
                if file.exists():
                    self.connection.execute(
                        f"insert into stg_files__{name} by name "
                        f"from read_csv('{file}', header = true, all_varchar = true)"
                    )
        self.connection.execute(
            "update stg_files__transactions set order_date = cast(ordered_at as date), units = coalesce(units, 1)"
        )

    def _build(self, path: str) -> None:
        name = path.split("/")[1]
        self.state.model, self.state.exists, self.state.settings = name, self._exists(name), {}
        sql = self.macros.render(f"{path}.sql")
        self.state.sql.text = sql
        settings = self.state.settings
        kind = settings.get("materialized", "view" if path.startswith("conformed") else "table")
        if kind != "incremental" or not self.state.exists:
            self.connection.execute(f"create or replace {'view' if kind == 'view' else 'table'} {name} as {sql}")
            self._run_hooks("post_hook")
            return
        # As dbt does it: in a transaction but for hooks that say otherwise.
        self._run_hooks("pre_hook", transaction=False)
        self.connection.execute("begin")
        self._run_hooks("pre_hook")
        # What is appended is worked out first.
        self.connection.execute(f"create or replace temporary table appended as {sql}")
        if "unique_key" in settings:
            keys = ", ".join(settings["unique_key"])
            self.connection.execute(f"delete from {name} where ({keys}) in (select ({keys}) from appended)")
        self.connection.execute(f"insert into {name} by name from appended")
        self._run_hooks("post_hook")
        self.connection.execute("commit")

    def _run_hooks(self, when: str, transaction: bool = True) -> None:
        hooks = self.state.settings.get(when, [])
        for hook in [hooks] if isinstance(hooks, str) else hooks:
            given = {"sql": hook, "transaction": True} if isinstance(hook, str) else hook
            if given["transaction"] != transaction:
                continue
            macro, text, table = HOOK.fullmatch(given["sql"]).groups()
            beside = getattr(self.macros, table)(self.state) if table else None
            statement = getattr(self.macros, macro)(*(argument for argument in (text, beside) if argument))
            if statement.strip():
                self.connection.execute(statement)

    def _columns(self, table: Relation | _State) -> list[SimpleNamespace]:
        query = "select column_name from duckdb_columns() where table_name = $name order by column_index"
        found = self.connection.execute(query, {"name": str(table).removeprefix("main.")}).fetchall()
        # dbt's adapter would say that it has none, after a rollback of what hooks have done so far.
        assert found, f"there is no {table}"
        return [SimpleNamespace(name=column) for (column,) in found]

    def _exists(self, name: str) -> bool:
        query = "select count(*) from duckdb_tables() where table_name = $name"
        return self.connection.execute(query, {"name": name}).fetchone() != (0,)


def _date_spine(_part: str, first: str, end: str) -> str:
    return f"select unnest(generate_series({first}, {end} - 1, interval 1 day)) as date_day"

"""Customers who are taken out of everything that is stored of them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from flows.steps.databases import catalog_name, copying_connection, file_text
from flows.steps.errors import RunStopped
from flows.steps.operations_log import read_runs
from flows.steps.release import forget_before
from flows.steps.rewrite import Rewrite

# The list of the customers to erase, in the copy of the warehouse while it is worked on; the macros read it.
LIST = "operations.erased_customers"

CustomerId = int | str

# Checks quote rows that they do not like, and a run that they stop quotes the checks: where, and how.
QUOTING = {
    "operations.checks": "observed",
    "operations.runs": "message",
    "conformed.delivered_days": "example",
    "checks.input_problems": "example",
}
WORD = r"[^\s,;()./]+"
QUOTED = re.compile(rf"\b(?:customer|customer_id|share|such as) (?=({WORD}))")


@dataclass(frozen=True)
class Erasure(Rewrite):
    """Customers who are erased.

    Attributes:
        customers: their keys.
        key_type: the type of customer keys, `vars: customer_id_type`.
        found: how many of them are in the warehouse.
    """

    customers: tuple[CustomerId, ...] = field(repr=False)
    key_type: str
    found: int

    @property
    def note(self) -> str:
        """What ops_runs says of it: how many and why, not who."""
        return f"Erased {_customers(self.found)}: {self.reason}"

    def begin(self) -> None:
        """Copy the published warehouse, list the customers in the copy, and forget what quotes them there.

        Raises:
            OSError: there is no room for it.
        """
        super().begin()
        with duckdb.connect(str(self.copy)) as connection:
            connection.execute("create schema if not exists operations")
            connection.execute(f"create table {LIST} (customer_id {self.key_type})")
            connection.execute(f"insert into {LIST} select unnest(?)", [list(self.customers)])
            for table, column in QUOTING.items():
                texts = _quotations(connection, table, column, self.customers)
                statement = f"update {table} set {column} = '(about a customer who was erased)' where {column} = ?"
                for text in texts:
                    connection.execute(statement, [text])

    def finish(self) -> None:
        """Look for the customers once more, and write the copy anew, so that no free block of the file holds them.

        Raises:
            RunStopped: a table has them again.
            OSError, duckdb.Error: there is no room for a second copy.
        """
        with duckdb.connect(str(self.copy)) as connection:
            connection.execute(f"drop table {LIST}")
        if found := find_customers(self.copy, self.customers):
            raise RunStopped(
                f"{_customers(len(set().union(*found.values())))} came back while the marts were built, into "
                f"{', '.join(found)}: a model of this project reads them from somewhere else than the customers' "
                "history. Nothing was erased. Erase them there first."
            )
        fresh = self.copy.with_suffix(".fresh")
        with copying_connection() as connection:
            # Views name the warehouse as the file is called.
            name = catalog_name(self.copy)
            connection.execute(f"attach {file_text(self.copy)} as {name} (read_only)")
            connection.execute(f"attach {file_text(fresh)} as fresh")
            connection.execute(f"copy from database {name} to fresh")
        fresh.replace(self.copy)


def read_customers(lines: Iterable[str], key_type: str) -> tuple[CustomerId, ...]:
    """Customer keys, one a line, each once; empty lines are left out.

    Raises:
        RunStopped: there is none, or one is no key.
    """
    keys: dict[CustomerId, None] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        if key_type == "bigint" and not (text.isascii() and text.isdigit() and int(text) < 2**63):
            # What stands there is not repeated: messages are kept.
            raise RunStopped(
                f"Line {number} is no customer key: vars: customer_id_type says that they are whole numbers. "
                "Write one key a line, and nothing else."
            )
        keys[int(text) if key_type == "bigint" else text] = None
    if not keys:
        raise RunStopped("There is no customer to erase: write their keys, one a line.")
    return tuple(keys)


def find_customers(warehouse: Path, customers: Iterable[CustomerId]) -> dict[str, set[CustomerId]]:
    """Which of some customers are in a warehouse, by the tables that have them.

    Raises:
        duckdb.Error: it cannot be read.
    """
    found = {}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        columns = connection.sql("from duckdb_columns()").filter("column_name = 'customer_id'")
        tables = connection.sql("from duckdb_tables()").select("schema_name, table_name")
        names = columns.select("schema_name, table_name").intersect(tables).order("1, 2").fetchall()
        keys = list(customers)
        for schema, table in names:
            of_table = f"select distinct customer_id from {schema}.{table} where customer_id in (select unnest(?))"
            if rows := connection.execute(of_table, [keys]).fetchall():
                found[f"{schema}.{table}"] = {customer for (customer,) in rows}
    return found


def is_quoted(warehouse: Path, customers: Iterable[CustomerId]) -> bool:
    """Whether a check has quoted one of some customers.

    Raises:
        duckdb.Error: the warehouse cannot be read.
    """
    keys = set(customers)
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return any(_quotations(connection, table, column, keys) for table, column in QUOTING.items())


def key_type_of(warehouse: Path) -> str:
    """The type of customer keys that a warehouse was built with, as `vars: customer_id_type` names it.

    Raises:
        duckdb.Error: it cannot be read, or has no customers.
    """
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return str(connection.table("conformed.customers").select("customer_id").types[0]).lower()


def _quotations(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, customers: Iterable[CustomerId]
) -> list[str]:
    """The texts that quote one of some customers."""
    # A key with a mark in it is quoted up to that.
    words = {word.group() for customer in customers if (word := re.match(WORD, str(customer)))}
    texts = connection.table(table).select(column).distinct().filter(f"{column} is not null").fetchall()
    return sorted(text for (text,) in texts if words.intersection(QUOTED.findall(text)))


def forget_erased(warehouse: Path, serving: Path) -> None:
    """Remove the releases that show customers who are erased by now: all that are older than the last erasure's.

    Raises:
        duckdb.Error: the warehouse cannot be read.
        OSError: one could not be removed.
    """
    erasures = [run.run_id for run in read_runs(warehouse) if run.kind == "erase" and run.status == "released"]
    if erasures:
        forget_before(serving, erasures[-1])


def _customers(count: int) -> str:
    return f"{count:,} customer{'s' if count != 1 else ''}"

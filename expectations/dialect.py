"""A SQLAlchemy dialect through which Great Expectations can read a DuckDB warehouse.

duckdb-engine serves most of SQLAlchemy, but three of its habits stop Great Expectations:

- Great Expectations fetches the rows of a query after it has given the connection back, and DuckDB has
  dropped them by then (`IndexError: list index out of range`). Here every result is read into memory when its
  statement ends.
- Columns are looked up in PostgreSQL's catalogue, parts of which DuckDB does not have
  (`Referenced table "pg_catalog.pg_collation" not found`). Here `information_schema` is asked.
- The file is opened for writing. Here it is opened read-only: checks never change what they check.

The schema is part of the address, `duckdb+warehouse:///path/to/file.duckdb?schema=checks`, so that tables are
named without one.
"""

from functools import cache
from typing import Any

import duckdb
import sqlalchemy as sa
from duckdb_engine import ConnectionWrapper
from duckdb_engine import Dialect as DuckDBDialect
from sqlalchemy.dialects import registry
from sqlalchemy.engine import URL
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy
from sqlalchemy.exc import NoSuchTableError

DRIVER = "duckdb+warehouse"

_COLUMNS = sa.table(
    "columns",
    *(
        sa.column(name)
        for name in (
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "data_type",
            "is_nullable",
            "ordinal_position",
        )
    ),
    schema="information_schema",
)


@cache
def _keywords() -> frozenset[str]:
    """Return DuckDB's keywords of all categories."""
    with duckdb.connect() as connection:
        rows = connection.table_function("duckdb_keywords").project("keyword_name").fetchall()
    return frozenset(name for (name,) in rows)


class BufferedExecutionContext(DuckDBDialect.execution_ctx_cls):
    """Reads all rows of a result before the connection can be given back."""

    def post_exec(self) -> None:
        """Replace the cursor's own way of fetching by one over a list of rows."""
        super().post_exec()
        if self.cursor.description:
            self.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(
                self.cursor, initial_buffer=self.cursor.fetchall()
            )


class WarehouseDialect(DuckDBDialect):
    """DuckDB, read-only, with buffered results and columns from `information_schema`."""

    driver = "warehouse"
    execution_ctx_cls = BufferedExecutionContext
    # As in duckdb-engine; SQLAlchemy wants it said by each class.
    supports_statement_cache = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Quote every keyword: DuckDB refuses some column names that are no reserved words, such as `at`."""
        super().__init__(*arguments, **options)
        self.identifier_preparer.reserved_words |= _keywords()

    def create_connect_args(self, url: URL) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Take the schema out of the address and ask for a read-only connection."""
        schema = url.query.get("schema")
        arguments, options = super().create_connect_args(url.difference_update_query(["schema"]))
        return arguments, {**options, "read_only": True, "schema": schema}

    def connect(self, *arguments: Any, schema: str | None = None, **options: Any) -> ConnectionWrapper:
        """Open the file; raise duckdb's CatalogException when it has no such schema."""
        connection = super().connect(*arguments, **options)
        if schema is not None:
            try:
                connection.execute(f"use {self.identifier_preparer.quote(schema)}")
            except Exception:
                connection.close()
                raise
        return connection

    def get_columns(
        self, connection: sa.Connection, table_name: str, schema: str | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Return name, type and nullability of a table's or view's columns, in their order.

        Raises sqlalchemy.exc.NoSuchTableError when there is no such table.
        """
        query = (
            sa.select(_COLUMNS.c.column_name, _COLUMNS.c.data_type, _COLUMNS.c.is_nullable)
            .where(_COLUMNS.c.table_catalog == sa.func.current_database())
            .where(_COLUMNS.c.table_schema == (schema or sa.func.current_schema()))
            .where(_COLUMNS.c.table_name == table_name)
            .order_by(_COLUMNS.c.ordinal_position)
        )
        columns = [
            {
                "name": name,
                "type": self._type_named(data_type),
                "nullable": is_nullable == "YES",
                "default": None,
                "comment": None,
            }
            for name, data_type, is_nullable in connection.execute(query)
        ]
        if not columns:
            raise NoSuchTableError(table_name)
        return columns

    def get_pk_constraint(
        self, connection: sa.Connection, table_name: str, schema: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Return no primary key: the warehouse's tables declare none."""
        return {"constrained_columns": [], "name": None}

    def _type_named(self, data_type: str) -> sa.types.TypeEngine[Any]:
        """Return SQLAlchemy's type for DuckDB's name of it, without length and precision."""
        known = self.ischema_names.get(data_type.split("(")[0].lower(), sa.types.NullType)
        return known() if isinstance(known, type) else known


def register() -> None:
    """Make addresses that begin with `duckdb+warehouse://` known to SQLAlchemy; harmless when repeated."""
    registry.register("duckdb.warehouse", __name__, WarehouseDialect.__name__)

"""Customers who are taken out of everything that is stored of them."""

import csv
import io
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from flows.steps.databases import catalog_name, copying_connection, file_text
from flows.steps.errors import RunStopped
from flows.steps.project import Project
from flows.steps.release import every_release, forget_releases
from flows.steps.rewrite import Rewrite

# The list of the customers to erase, in the copy of the warehouse while it is worked on; the macros read it.
LIST = "operations.erased_customers"
COLUMN = "customer_id"

# The names of the releases and logs that an erasure has to remove once its copy is the warehouse.
OUTDATED = "operations.outdated_files"

CustomerId = int | str

# Texts that may quote a row: what stopped a run, and what checks of earlier versions saw in tables with keys. Nobody
# looks for keys in them: an erasure replaces all of them.
TEXTS = {
    "operations.runs": ("message", "status = 'failed'"),
    "operations.checks": (
        "observed",
        "status = 'not evaluated' or (status <> 'passed' and suite in "
        "('inputs/customers', 'inputs/input_problems', 'marts/customer_segments'))",
    ),
}
NO_TEXT = "(removed by an erasure)"
# Tables in which earlier versions kept a line's text as an example.
WITH_EXAMPLES = ("conformed.delivered_days", "checks.input_problems")

# Ranges of lines that a message spells out.
MOST_RANGES = 100


class NotFound(RunStopped):
    """Some of the customers to erase were not found; the others are erased."""

    status = 3


@dataclass(frozen=True)
class Erasure(Rewrite):
    """Customers who are erased.

    Attributes:
        customers: their keys.
        key_type: the type of customer keys, `vars: customer_id_type`.
        found: how many of them are in the warehouse.
        outdated: what is to be removed with them, as (kind, name), see `outdated_files`.
    """

    customers: tuple[CustomerId, ...] = field(repr=False)
    key_type: str
    found: int
    outdated: tuple[tuple[str, str], ...] = ()

    def __getstate__(self) -> dict[str, object]:
        """Keys are in no pickle, whoever makes one."""
        return {name: value for name, value in vars(self).items() if name != "customers"}

    @property
    def note(self) -> str:
        """What ops_runs says of it: how many and why, not who."""
        return f"Erased {_customers(self.found)}: {self.reason}"

    def begin(self) -> None:
        """Copy the published warehouse, list the customers in the copy, and forget texts that may quote them there.

        Raises:
            OSError: there is no room for it.
        """
        super().begin()
        with duckdb.connect(str(self.copy)) as connection:
            connection.execute("create schema if not exists operations")
            connection.execute(f"create table {LIST} (customer_id {self.key_type})")
            connection.execute(f"insert into {LIST} select unnest(?)", [list(self.customers)])
            connection.execute(f"create or replace table {OUTDATED} (kind varchar, name varchar)")
            for kind, name in self.outdated:
                connection.execute(f"insert into {OUTDATED} values (?, ?)", [kind, name])
            for table, column, condition in _texts(connection):
                if table in TEXTS:
                    connection.execute(f"update {table} set {column} = '{NO_TEXT}' where {condition}")
                else:
                    connection.execute(f"alter table {table} drop column {column}")

    def finish(self) -> None:
        """Look for the customers once more, and write the copy again, so that no free block of the file holds them.

        Raises:
            RunStopped: a table has them again.
            OSError, duckdb.Error: there is no room for a second copy.
        """
        with duckdb.connect(str(self.copy)) as connection:
            connection.execute(f"drop table {LIST}")
        if found := find_customers(self.copy, self.customers, self.key_type):
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


def read_customers(content: bytes, key_type: str) -> dict[CustomerId, int]:
    """The keys in a list, exactly as they are written, each with the number of the line on which it is first.

    The list is CSV with a column customer_id, JSON objects with a customer_id, one per line, or plain keys, one per
    line, without surrounding blanks, quotation marks, commas, semicolons or tabs. Empty lines are left out.

    Raises:
        RunStopped: there is no key, or some lines have none; the message says which lines, and not what they hold.
    """
    try:
        # Whatever wrote it may have put a mark before the first key that says so.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RunStopped(f"The list of customers is not UTF-8 text: {error.reason}. Save it as UTF-8.") from error
    keys: dict[CustomerId, int] = {}
    wrong: list[int] = []
    read = _format_of(text)
    for number, key in read(text):
        if key is not None and key_type == "bigint":
            key = _whole_number(key.strip())
        elif key is not None and read is _plain_lines and key != key.strip():
            # It is unclear whether these blanks are part of the key.
            key = None
        if key is None or key == "":
            wrong.append(number)
        else:
            keys.setdefault(key, number)
    if wrong:
        # The line's text is not repeated, because messages are kept.
        raise RunStopped(f"{lines_text(wrong)} of the list of customers: no customer key. {_how_to_list(key_type)}")
    if not keys:
        raise RunStopped(f"There is no customer to erase: the list has no key. {_how_to_list(key_type)}")
    return keys


def find_customers(
    warehouse: Path, customers: Iterable[CustomerId], key_type: str = "bigint"
) -> dict[str, set[CustomerId]]:
    """Which of some customers are in a warehouse, by the tables that have them.

    Raises:
        duckdb.Error: it cannot be read.
    """
    found = {}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        columns = connection.sql("from duckdb_columns()").filter(f"column_name = '{COLUMN}'")
        tables = connection.sql("from duckdb_tables()").select("schema_name, table_name")
        names = columns.select("schema_name, table_name").intersect(tables).order("1, 2").fetchall()
        keys = list(customers)
        # A column of another type has them as they were delivered.
        key = f"try_cast({COLUMN} as {key_type})"
        for schema, table in names:
            of_table = f'select distinct {key} from "{schema}"."{table}" where {key} in (select unnest(?))'
            if rows := connection.execute(of_table, [keys]).fetchall():
                found[f"{schema}.{table}"] = {customer for (customer,) in rows}
    return found


def may_quote(warehouse: Path, customers: Collection[CustomerId]) -> bool:
    """Whether a text that an erasure removes has the key of one of some customers in it, be it as a part of a word.

    Raises:
        duckdb.Error: the warehouse cannot be read.
    """
    keys = [str(customer) for customer in customers]
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return any(
            connection.execute(
                f"select 1 from (select distinct {column} as words from {table} where {condition}) as texts "
                "inner join (select unnest(?) as key) as keys on contains(texts.words, keys.key) limit 1",
                [keys],
            ).fetchone()
            for table, column, condition in _texts(connection)
        )


def key_type_of(warehouse: Path) -> str:
    """The type of customer keys that a warehouse was built with, as `vars: customer_id_type` names it.

    Raises:
        duckdb.Error: it cannot be read, or has no customers.
    """
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return str(connection.table("conformed.customers").select(COLUMN).types[0]).lower()


def outdated_files(project: Project) -> tuple[tuple[str, str], ...]:
    """The files of earlier runs that an erasure has to remove, as (kind, name).

    Releases show who is erased. Logs may quote them: dbt's where a value has not the type that it should have, and
    those that earlier versions wrote.
    """
    return (
        *(("release", release.name) for release in every_release(project.serving)),
        *(("run log", log.name) for log in sorted((project.logs / "runs").glob("*.jsonl"))),
        *(("dbt log", log.name) for log in sorted(_dbt_logs(project).glob("dbt.log*"))),
    )


def forget_erased(project: Project) -> None:
    """Remove the releases and logs that existed when an erasure began and that it has not removed yet.

    Raises:
        duckdb.Error: the warehouse cannot be read or written.
        OSError: one could not be removed.
    """
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        try:
            outdated = connection.table(OUTDATED).fetchall()
        except duckdb.CatalogException:
            return
    if not forget_releases(project.serving, {name for kind, name in outdated if kind == "release"}):
        return
    for kind, name in outdated:
        if kind == "run log":
            (project.logs / "runs" / name).unlink(missing_ok=True)
        elif kind == "dbt log":
            (_dbt_logs(project) / name).unlink(missing_ok=True)
    with duckdb.connect(str(project.warehouse)) as connection:
        connection.execute(f"drop table {OUTDATED}")


def lines_text(numbers: Iterable[int]) -> str:
    """Numbers of lines in words, in ranges: `Lines 3, 7-12`."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    told = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:MOST_RANGES]]
    more = f" and {len(ranges) - MOST_RANGES:,} more places" if len(ranges) > MOST_RANGES else ""
    one = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
    return f"Line{'' if one else 's'} {', '.join(told)}{more}"


def _format_of(text: str) -> Callable[[str], Iterator[tuple[int, str | None]]]:
    """The reader of a list, by its first line that is not empty."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    if first.lstrip().startswith("{") and _key_of_json(first) is not None:
        return _json_lines
    header = next(csv.reader([first]), [])
    return _csv_rows if COLUMN in header else _plain_lines


def _csv_rows(text: str) -> Iterator[tuple[int, str | None]]:
    """Keys of CSV (RFC 4180) with a header, by the line on which their row begins."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    place, begun = None, 1
    try:
        for row in rows:
            if place is None and row:
                place = row.index(COLUMN)
            elif row:
                yield begun, row[place] if place < len(row) else None
            begun = rows.line_num + 1
    except csv.Error:
        yield begun, None


def _json_lines(text: str) -> Iterator[tuple[int, str | None]]:
    """Keys of JSON objects, one per line."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _key_of_json(line)


def _plain_lines(text: str) -> Iterator[tuple[int, str | None]]:
    """Keys as written, one per line."""
    for number, line in enumerate(text.split("\n"), start=1):
        key = line.removesuffix("\r")
        if key:
            is_plain = not any(mark in key for mark in '",;\t\r')
            yield number, key if is_plain else None


def _whole_number(text: str) -> int | None:
    is_number = text.isascii() and text.isdigit() and len(text.lstrip("0")) < 20
    return int(text) if is_number and int(text) < 2**63 else None


def _key_of_json(line: str) -> str | None:
    try:
        given = json.loads(line)
        key = given.get(COLUMN) if isinstance(given, Mapping) else None
        if isinstance(key, str):
            # A half of a surrogate pair is no text.
            key.encode()
            return key
    except ValueError:
        return None
    return str(key) if isinstance(key, int) and not isinstance(key, bool) else None


def _how_to_list(key_type: str) -> str:
    numbers = " Keys are integers here (vars: customer_id_type)." if key_type == "bigint" else ""
    return (
        "Write one key per line; or use CSV with the header customer_id, or one JSON object per line, such as "
        f'{{"customer_id": "C-17"}}, for keys with blanks around them, quotation marks, commas or line breaks.{numbers}'
    )


def _texts(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str, str]]:
    """The columns of a warehouse whose texts may quote a row, as (table, column, condition on rows)."""
    known = set(
        connection.sql("from duckdb_columns()").select("schema_name || '.' || table_name, column_name").fetchall()
    )
    for table, (column, condition) in TEXTS.items():
        if (table, column) in known:
            yield table, column, f"({condition}) and {column} <> '{NO_TEXT}'"
    for table in WITH_EXAMPLES:
        if (table, "example") in known:
            yield table, "example", "example is not null"


def _dbt_logs(project: Project) -> Path:
    return Path(os.environ.get("DBT_LOG_PATH", project.logs))


def _customers(count: int) -> str:
    return f"{count:,} customer{'s' if count != 1 else ''}"

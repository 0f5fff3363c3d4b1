"""The files of the source systems: where they are, how they are read, and everything that is wrong with them.

macros/sources/source_files.sql defines the reader once; dbt's views use it, too. Messages about a file name columns
that the project knows, counts and line numbers, never a value: the file may be somebody else's.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import yaml

from flows.steps.errors import RunStopped, first_line
from flows.steps.project import ROOT, Project
from flows.steps.records import count_records

# From this similarity on, a message suggests a name.
SIMILAR = 0.8
# Rows read to find out early that no value of a column is readable; the input checks read all rows.
LOOKED_AT = 1_000
CUT_OFF = "If the file was cut off, deliver it again."
# The first bytes of files that are named .csv but are something else.
NOT_CSV = {
    b"PK\x03\x04": "a ZIP archive, as .xlsx files are",
    b"\x1f\x8b": "compressed with gzip",
    b"PAR1": "a Parquet file",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
    b"\xd0\xcf\x11\xe0": "an old .xls file",
}


@dataclass(frozen=True)
class Wrong:
    """Something wrong with a source's files: a code of the doctor's, and a message."""

    code: str
    message: str


@dataclass(frozen=True)
class SourceTable:
    """One table of a source system as the project's YAML describes it, and the files it is delivered in.

    Attributes:
        system: the source system.
        meta: what its sources YAML says about the table.
        folder: where the system's files are.
        timezone: the time zone of timestamps without one.
        earliest: the earliest day its rows may have.
    """

    system: str
    meta: dict[str, Any]
    folder: Path
    timezone: str
    earliest: str

    @property
    def name(self) -> str:
        """The table's name."""
        return self.meta["name"]

    @property
    def where(self) -> str:
        """The table, as the start of a message."""
        return f"source '{self.system}', table '{self.name}': "

    @property
    def is_required(self) -> bool:
        """Whether a run needs it."""
        return bool(_meta(self.meta).get("required"))

    @property
    def stamp(self) -> str | None:
        """The column that says when a row happened, if the table has one."""
        return self.meta.get("config", {}).get("loaded_at_field")

    @property
    def entity(self) -> str | None:
        """What a row of it is, if rows are not put together before they are one of the project's entities."""
        return _meta(self.meta).get("becomes")

    @property
    def dialect(self) -> dict[str, str]:
        """How its CSV files differ from the defaults of source_files.sql."""
        return _meta(self.meta).get("dialect") or {}

    @property
    def required_columns(self) -> list[str]:
        """The columns that a file must have."""
        return [column["name"] for column in self.meta["columns"] if _meta(column).get("required")]

    @cached_property
    def found(self) -> dict[str, list[str]]:
        """The files in the folder, by delivery; a table must not have more than one delivery."""
        found: dict[str, list[str]] = {}
        for delivery, file in _rows(reader_macros().delivered_files(self.folder, self.name)):
            found.setdefault(delivery, []).append(file)
        return found

    @property
    def delivery(self) -> Path | None:
        """The file, or folder of Parquet files, that the table is delivered as."""
        return Path(next(iter(self.found))) if len(self.found) == 1 else None

    @property
    def files(self) -> list[str]:
        """The files of the delivery."""
        return next(iter(self.found.values())) if len(self.found) == 1 else []

    @property
    def is_csv(self) -> bool:
        """Whether it is delivered as CSV."""
        return bool(self.files) and self.files[0].endswith(".csv")

    @cached_property
    def header(self) -> list[str | None]:
        """The names in the first line of its CSV file, in lower case; empty if there is no first line."""
        if not self.is_csv:
            return []
        return [name for _, name in _rows(reader_macros().csv_header(self.files[0], self.dialect))]

    @cached_property
    def reader(self) -> str:
        """The SQL that its rows are read from, as delivered."""
        return reader_macros().source_reader(self.files, self.header, self.dialect)

    @cached_property
    def delivered(self) -> dict[str, dict[str, str]]:
        """The columns of the delivery: by name in lower case, what they are called in the reader, and their type."""
        if self.is_csv:
            return {
                name: {"expression": f"column_{place}", "type": "VARCHAR"}
                for place, name in enumerate(self.header, start=1)
                if name is not None
            }
        if not self.files:
            return {}
        described = _rows(f"describe select * from {self.reader}")
        return {
            column[0].lower(): {"expression": '"' + column[0].replace('"', '""') + '"', "type": column[1]}
            for column in described
        }

    @cached_property
    def row_count(self) -> int:
        """The rows of the delivery.

        Raises:
            duckdb.Error: it cannot be read.
        """
        ((rows,),) = _rows(f"select count(*) from {self.reader}")
        return rows

    @property
    def rows(self) -> str:
        """The query that the table's view is made with."""
        columns = reader_macros().source_columns(
            self.meta["columns"], self.delivered, self.timezone, self.stamp, self.earliest
        )
        return f"select {columns} from {self.reader}"

    @cached_property
    def wrong(self) -> list[Wrong]:
        """Everything that keeps the table from being read, as far as one look can show."""
        try:
            return list(self._wrong())
        except OSError as error:
            return [self._unreadable(f"{self.delivery} cannot be read: {error.strerror or error}.")]

    def _wrong(self) -> Iterator[Wrong]:
        if len(self.found) > 1:
            names = " and ".join(Path(delivery).name for delivery in self.found)
            yield self._unreadable(f"more than one file: {names} in {self.folder}. Keep one of them.")
            return
        if not self.files:
            if self.is_required:
                yield Wrong(
                    "source_missing",
                    f"{self.where}there is no file {self.folder / self.name}.csv or .parquet, and this table is "
                    f"required. Deliver it, or set vars: {self.system}_folder to the folder that holds it.",
                )
            return
        others = [file for file in self.files if file != str(self.delivery) and not file.endswith(".parquet")]
        if others:
            yield self._unreadable(
                f"{self.delivery} has {len(others)} files that are not Parquet, such as {Path(others[0]).name}. A "
                "folder may hold Parquet files only: remove the others."
            )
            return
        if self.is_csv and (fault := self._no_csv()):
            yield self._unreadable(fault)
            return
        try:
            delivered = self.delivered
        except duckdb.Error as error:
            yield self._unreadable(self._told(error))
            return
        for name in {column["name"] for column in self.meta["columns"]}:
            if self.header.count(name) > 1:
                yield self._unreadable(f"{self.delivery} has the column '{name}' more than once. Keep one of them.")
        if missing := [name for name in self.required_columns if name not in delivered]:
            yield self._unreadable(self._missing(missing, delivered))
        try:
            yield from self._wrong_rows()
        except duckdb.Error as error:
            yield self._unreadable(self._told(error))

    def _no_csv(self) -> str | None:
        """Why the file is not CSV with distinguishable columns, or None if it is."""
        with Path(self.files[0]).open("rb") as handle:
            begin = handle.read(4)
        if not begin:
            return f"{self.delivery} is empty (0 bytes). Deliver it again, whole."
        for mark, kind in NOT_CSV.items():
            if begin.startswith(mark):
                return f"{self.delivery} is not a CSV file but {kind}. Save it as CSV in UTF-8, or as Parquet."
        if line := _first_line_not_utf8(Path(self.files[0])):
            return (
                f"{self.delivery} cannot be read: line {line} is not UTF-8. Save the file in UTF-8; spreadsheets "
                "often write Latin-1 or Windows-1252 instead."
            )
        if self.header in ([], [None]):
            return (
                f"{self.delivery} has no column names in line 1: the line is empty or has an unclosed quote. "
                "Line 1 must name the columns."
            )
        delimiter = self.dialect.get("delim", ",")
        if len(self.header) == 1 and self.header[0] not in self.required_columns:
            other = next((mark for mark in ";\t|" if mark != delimiter and mark in str(self.header[0])), None)
            if other:
                name = "tabs" if other == "\t" else f"'{other}'"
                names = dict.fromkeys(str(self.header[0]).split(other))
                missing = [column for column in self.required_columns if column not in names]
                return (
                    f"{self.delivery} has one column only, with {name} in its name: its values are separated by "
                    f"{name}, not '{delimiter}'. Save the file with '{delimiter}' between values, and decimal points."
                    + (f" Then: {self._missing(missing, names)}" if missing else "")
                )
        return None

    def _missing(self, missing: list[str], names: Mapping[str, object]) -> str:
        listed = ", ".join(f"'{name}'" for name in missing)
        told = f"{self.delivery} has no column {listed}, which {'is' if len(missing) == 1 else 'are'} required."
        meant = [f"'{name}' looks like {column}" for column in missing if (name := _likely(column, names)) is not None]
        known = {column["name"] for column in self.meta["columns"]}
        if meant:
            told += f" Perhaps: {', '.join(meant)}. Rename the columns, or remove them if they are something else."
        elif self.is_csv and not known & set(names):
            told += (
                f" None of the {len(names)} names in line 1 is a column of this table: line 1 must name the "
                "columns; perhaps the header is missing."
            )
        return told

    def _wrong_rows(self) -> Iterator[Wrong]:
        """What is wrong with the rows: reads the whole file, but hardly any values."""
        if self.row_count == 0 and self.is_required:
            yield self._unreadable(f"{self.delivery} has a header but no rows. Deliver it again, whole.")
        typed = [
            column["name"]
            for column in self.meta["columns"]
            if column["data_type"] != "varchar" and column["name"] in self.delivered
        ]
        if not typed:
            return
        shapes = {name: reader_macros().shape(f"{name}__as_delivered") for name in typed}
        counts = (
            f"count({name}), count({name}__as_delivered), min(case when {name} is null then {shapes[name]} end)"
            for name in typed
        )
        (found,) = _rows(f"select {', '.join(counts)} from ({self.rows} limit {LOOKED_AT})")
        types = {column["name"]: column["data_type"] for column in self.meta["columns"]}
        for name, readable, given, shape in zip(typed, found[::3], found[1::3], found[2::3], strict=True):
            # The input checks look at all rows, and at single values.
            if given and not readable and (given >= 3 or name in self.required_columns):
                bound = f" Timestamps before {self.earliest} also count as unreadable (vars: earliest_order_date)."
                yield self._unreadable(
                    f"no value of column '{name}' can be read as {_written(types[name])}, of {given} in the first "
                    f"{LOOKED_AT:,} rows of {self.delivery}. They look like {shape} (9 for a digit, a for a letter)."
                    f"{bound if name == self.stamp else ''}"
                )

    def _unreadable(self, message: str) -> Wrong:
        return Wrong("source_unreadable", self.where + message)

    def _told(self, error: duckdb.Error) -> str:
        """DuckDB's message about a file, without the lines that it quotes."""
        text = str(error)
        line = re.search(r"CSV Error on Line: (\d+)", text)
        at = f" line {line[1]}" if line else " a line"
        counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
        if counts:
            why = f"{at.strip()} has {counts[2]} values, but line 1 names {counts[1]} columns. " + CUT_OFF
        elif "unterminated quote" in text:
            why = f"in{at} a quote is not closed, or text follows it. Quotes within quotes are doubled. " + CUT_OFF
        elif "state machine" in text:
            why = "its lines end in different ways, or a quote is not closed."
        elif "Invalid unicode" in text:
            why = f"{at.strip()} is not UTF-8."
        elif self.is_csv:
            why = f"{at.strip()} is not valid CSV (RFC 4180)."
        elif "Hive partition mismatch" in text:
            why = "its folders name=value are not the same in all branches. Give every file the same folders."
        else:
            why = f"{first_line(error)}. " + CUT_OFF
        return f"{self.delivery} cannot be read: {why}"

    def facts(self) -> dict[str, Any]:
        """The delivery's file, files, bytes and records, from the file system and the files' bytes.

        Raises:
            OSError, duckdb.Error: a file cannot be read.
        """
        files = [Path(file) for file in self.files]
        if self.is_csv:
            options = {"delimiter": self.dialect.get("delim", ","), "quote": self.dialect.get("quote", '"')}
            records = count_records(files[0], len(self.header), **options)
        else:
            listed = ", ".join(reader_macros().quoted(reader_macros().literal_glob(file)) for file in files)
            ((records,),) = _rows(f"select cast(sum(num_rows) as bigint) from parquet_file_metadata([{listed}])")
        return {
            "source_system": self.system,
            "table_name": self.name,
            "file": self.delivery.name,
            "files": len(files),
            "bytes": sum(file.stat().st_size for file in files),
            "records": records,
        }


def source_tables(project: Project, root: Path = ROOT) -> list[SourceTable]:
    """The tables of every enabled source system that the project knows.

    Raises:
        RunStopped: an enabled system has no YAML, or no transactions with a stamp.
    """
    tables = []
    for system in project.vars["sources"]:
        found = [
            SourceTable(
                system,
                table,
                root / str(project.vars[f"{system}_folder"]),
                _meta(table).get("timezone", project.vars["timezone"]),
                str(project.vars["earliest_order_date"]),
            )
            for path in sorted((root / "models" / "staging" / system).glob("*sources.yml"))
            for source in yaml.safe_load(path.read_text())["sources"]
            if source["name"] == system
            for table in source["tables"]
        ]
        if not any(table.stamp for table in found):
            systems = sorted(path.name for path in (root / "models" / "staging").iterdir() if path.is_dir())
            raise RunStopped(
                f"vars: sources names '{system}', for which models/staging has no folder with a source whose "
                f"transactions have a loaded_at_field. There are: {', '.join(systems)}."
            )
        tables += found
    return tables


def wrong_files(tables: list[SourceTable]) -> list[Wrong]:
    """Everything that is wrong with the files of these tables; if anything is, also the files that no table reads."""
    wrong = [found for table in tables for found in table.wrong]
    if wrong:
        for folder in dict.fromkeys(table.folder for table in tables):
            if unread := unread_files([table for table in tables if table.folder == folder]):
                more = f" and {len(unread) - 10} more" if len(unread) > 10 else ""
                wrong.append(
                    Wrong(
                        "source_unread",
                        f"No table reads these files in {folder}: {', '.join(unread[:10])}{more}. A table is one file, "
                        "<table>.csv or <table>.parquet, or a folder of that name with Parquet files.",
                    )
                )
    return wrong


def check_files(tables: list[SourceTable]) -> None:
    """Stop a run whose files cannot be read.

    Raises:
        RunStopped: something is wrong with the files; the message lists everything.
    """
    if wrong := wrong_files(tables):
        raise RunStopped("\n".join(found.message for found in wrong))


def unread_files(tables: list[SourceTable]) -> list[str]:
    """The names of files and folders beside those of a system's tables that look like data and are not read."""
    folder = tables[0].folder
    if not folder.is_dir():
        return []
    read = {Path(delivery).name for table in tables for delivery in table.found}
    kinds = (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".xls", ".json", ".gz", ".zip", ".zst", ".bz2")
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in read
        and not path.name.startswith((".", "_"))
        and (path.suffix.lower() in kinds or any(path.name.startswith(table.name) for table in tables))
    )


def _rows(query: str) -> list[tuple]:
    with _database().cursor() as cursor:
        return cursor.sql(query).fetchall()


@cache
def _database() -> duckdb.DuckDBPyConnection:
    # Files may change while the process runs, so nothing is cached.
    return duckdb.connect(config={"enable_external_file_cache": "false"})


@cache
def reader_macros() -> Any:
    """The macros of source_files.sql."""
    source = (ROOT / "macros" / "sources" / "source_files.sql").read_text()
    return jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(source).module


def _meta(described: dict[str, Any]) -> dict[str, Any]:
    return (described.get("config") or {}).get("meta") or {}


def _written(data_type: str) -> str:
    return {"timestamp": "a timestamp, YYYY-MM-DD HH:MM:SS", "date": "a date, YYYY-MM-DD"}.get(data_type, data_type)


def _first_line_not_utf8(file: Path) -> int | None:
    """The number of the first line that is not UTF-8, if there is one."""
    line = 1
    with file.open("rb") as handle:
        # Whole lines, so that no character is cut.
        while lines := handle.read(16 * 1024 * 1024) + handle.readline():
            if (place := _not_utf8(lines)) is not None:
                return line + lines.count(b"\n", 0, place)
            line += lines.count(b"\n")
    return None


def _not_utf8(text: bytes) -> int | None:
    if text.isascii():
        return None
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return None


@cache
def _known_names() -> dict[str, list[str]]:
    """Names that other systems give our columns, as plain names by our column; the likeliest first."""
    known: dict[str, list[str]] = {}
    with (ROOT / "flows" / "steps" / "known_columns.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            known.setdefault(row["column"], []).append(_plain(row["known_as"]))
    return known


def _likely(column: str, names: dict[str, Any]) -> str | None:
    """The name among these that most likely means the column: one known from other systems, or a similar one.

    Messages suggest only such names: the project knows them, or nearly.
    """
    plain = {_plain(name): name for name in reversed(names)}
    for known in _known_names().get(column, []):
        if known in plain:
            return plain[known]
    wanted = _plain(column)
    near = max(plain, key=lambda name: SequenceMatcher(None, wanted, name).ratio(), default="")
    return plain[near] if SequenceMatcher(None, wanted, near).ratio() >= SIMILAR else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())

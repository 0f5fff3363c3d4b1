"""Every record of a source's file becomes a row with the values that are written, or the file is refused in words."""

import csv
import io
import re
import time
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.rules.macros import macros
from flows.steps import records
from flows.steps.doctor import Facts, check_sources
from flows.steps.errors import RunStopped, without_values
from flows.steps.project import Project
from flows.steps.records import count_records
from flows.steps.source_files import SourceTable, reader_macros, source_tables
from flows.steps.window import source_days

NOW = datetime(2024, 5, 1, tzinfo=UTC)
DATABASE = duckdb.connect(config={"enable_external_file_cache": "false"})
CUSTOMERS = "customer_id\n1\n2\n"
HEADER = "customer_id,order_id,ordered_at,net_amount"


def project_of(folder: Path, **variables: object) -> Project:
    """A project whose customers lie in a folder."""
    return Project(overrides={"sources": ["files"], "files_folder": str(folder), "timezone": "UTC"} | variables)


def deliver(folder: Path, **tables: str | bytes) -> Project:
    """Write CSV files; customers are there in any case."""
    folder.mkdir(exist_ok=True)
    for name, content in ({"customers": CUSTOMERS} | tables).items():
        (folder / f"{name}.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return project_of(folder)


def table_of(project: Project, name: str) -> SourceTable:
    return next(table for table in source_tables(project) if table.name == name)


CUSTOMERS_TABLE = table_of(project_of(Path()), "customers")


def customers_in(folder: Path) -> SourceTable:
    """The table of customers in a folder, quickly."""
    return SourceTable("files", CUSTOMERS_TABLE.meta, folder, "UTC", "1990-01-01")


def rows_of(table: SourceTable, columns: str = "*") -> list[tuple]:
    with DATABASE.cursor() as cursor:
        return cursor.sql(f"select {columns} from ({table.rows})").fetchall()


def refused(project: Project) -> str:
    """What a run is told that finds its days in these files."""
    with pytest.raises(RunStopped) as error:
        source_days(project, NOW)
    return str(error.value)


# --- Any table in any dialect that the contract allows --------------------------------------------

NAMES = ("customer_id", "first_seen_date", "age_band", "income_band", "kids_count", "note", "a b", 'the "x"', "#", "Ö")
TEXTS = st.text(
    st.sampled_from(list("ab0 #,;|\t\"'\\\n\r.-\u00e9\u2028=@%_")) | st.characters(exclude_categories=["Cs", "Cc"]),
    max_size=6,
)


@st.composite
def written_tables(draw: st.DrawFn) -> tuple[bytes, list[str], list[list[str]]]:
    """The bytes of a CSV file, its columns, and the rows that are in it."""
    width = draw(st.integers(1, len(NAMES)))
    names = draw(st.permutations(NAMES).map(lambda listed: listed[:width]))
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    quotes_all = draw(st.booleans())
    rows = draw(st.lists(st.lists(TEXTS, min_size=width, max_size=width), max_size=12))
    # Within quotes, the other kind of line end may stand.
    marks = ',"\n\r'

    def field(text: str) -> str:
        must = any(mark in text for mark in marks) or text.startswith(" ") or (width == 1 and text == "")
        return '"' + text.replace('"', '""') + '"' if must or quotes_all or draw(st.booleans()) else text

    lines = [",".join(field(text) for text in row) for row in [list(names), *rows]]
    if width > 1:
        for place in draw(st.lists(st.integers(1, len(lines)), max_size=2)):
            lines.insert(place, "")
    content = line_end.join(lines) + (line_end if draw(st.booleans()) else "")
    bom = "\ufeff" if draw(st.booleans()) else ""
    return (bom + content).encode(), list(names), rows


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written_tables())
def test_a1_every_row_of_any_table_is_found_again_or_the_file_is_refused(
    tmp_path: Path, table: tuple[bytes, list[str], list[list[str]]]
) -> None:
    content, names, rows = table
    (tmp_path / "customers.csv").write_bytes(content)
    # The evaluator: Python's CSV module agrees about what was written, without the empty lines.
    text = content.decode("utf-8-sig")
    parsed = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    assert parsed == [names, *rows]

    found = customers_in(tmp_path)
    if found.wrong:
        told = " ".join(wrong.message for wrong in found.wrong)
        lacks = "customer_id" not in names
        # A table without rows, without its key, or with a date column of which no value is one, is refused rightly.
        assert lacks or not rows or "no value of column 'first_seen_date'" in told, told
        return
    columns = [name for name in names if name in {column["name"] for column in found.meta["columns"]}]
    expected = [tuple(row[names.index(name)] or None for name in columns) for row in rows]
    shown = ", ".join("first_seen_date__as_delivered" if name == "first_seen_date" else name for name in columns)
    # A blank is no date; keys are told below.
    told = {"customer_id": _key, "first_seen_date": lambda value: value if value and value.strip(" ") else None}
    keyed = [
        tuple(told.get(name, str)(value) if value else None for name, value in zip(columns, row, strict=True))
        for row in expected
    ]
    assert sorted(rows_of(found, shown), key=repr) == sorted(keyed, key=repr)
    assert found.facts()["records"] == len(rows)


def _key(value: str | None) -> str | None:
    return re.sub(r"^(-?[0-9]+)\.0+$", r"\1", value) if value else value


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.sampled_from(list('a1,, ""\n\n')), max_size=40),
    st.integers(1, 3),
    st.sampled_from([3, 7, 16, 1 << 24]),
)
def test_records_are_as_many_as_rows_or_the_file_is_refused(tmp_path: Path, body: str, width: int, chunk: int) -> None:
    """Also of files that are no good CSV, and wherever a piece of the file that is looked at ends."""
    header = ",".join(["customer_id", "age_band", "note"][:width])
    (tmp_path / "customers.csv").write_bytes(f"{header}\n{body}".encode())
    found = customers_in(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "CHUNK", chunk)
        if not found.wrong:
            assert found.facts()["records"] == len(rows_of(found))


@settings(max_examples=60, deadline=None)
@given(
    st.datetimes(datetime(1990, 1, 2), datetime(2030, 1, 1)).map(lambda stamp: stamp.replace(microsecond=0)),
    st.sampled_from(["T", " "]),
    st.sampled_from(["", " "]),
    st.sampled_from(["Z", "UTC", "+00:00", "-05", "+0530", "+14:00", " Europe/Berlin", " Asia/Kolkata"]),
)
def test_a4_stamps_with_an_offset_or_a_zone_are_the_instant_that_python_finds(
    stamp: datetime, between: str, gap: str, suffix: str
) -> None:
    hours = {"-05": -5, "+0530": 5.5, "+14:00": 14}
    zone = ZoneInfo(suffix.strip()) if "/" in suffix else timezone(timedelta(hours=hours.get(suffix, 0)))
    aware = stamp.replace(tzinfo=zone)
    if aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != stamp:
        return  # That clock never showed it.
    sql = reader_macros().read_timestamp("$text", "VARCHAR", "America/New_York")
    text = f"{stamp:%Y-%m-%d}{between}{stamp:%H:%M:%S}{gap}{suffix}"
    with DATABASE.cursor() as cursor:
        (found,) = cursor.execute(f"select {sql}", {"text": text}).fetchone()
    instants = {
        aware.replace(fold=fold).astimezone(ZoneInfo("America/New_York")).replace(tzinfo=None) for fold in (0, 1)
    }
    assert found in instants


# --- What is read ---------------------------------------------------------------------------------


def test_a1_rows_that_begin_with_a_hash_are_read(tmp_path: Path) -> None:
    """DuckDB took # for the mark of a comment, and 910 of 1,900 lines were read."""
    lines = [f"{'#' if number % 2 else ''}{number},{number % 3},2024-04-09 10:00:00,5.00" for number in range(1900)]
    project = deliver(tmp_path, transactions="\n".join(["order_id,customer_id,ordered_at,net_amount", *lines]))
    table = table_of(project, "transactions")
    assert table.wrong == []
    assert rows_of(table, "count(*), count(*) filter (order_id like '#%'), sum(net_amount)") == [(1900, 950, 9500)]
    assert table.facts()["records"] == 1900


def test_a6_pandas_and_parquet_keys_meet(tmp_path: Path) -> None:
    project = deliver(tmp_path, transactions=f"{HEADER},product_id\n1.0,7.0,2024-04-09,5,5.0\n")
    duckdb.sql("select 5::double as product_id, 'fruit' as category").write_parquet(str(tmp_path / "products.parquet"))
    ((product, order, customer),) = rows_of(table_of(project, "transactions"), "product_id, order_id, customer_id")
    assert rows_of(table_of(project, "products"), "product_id") == [(product,)] == [("5",)]
    assert (order, customer) == ("7", "1")


@pytest.mark.parametrize("name", ["exp [2024]", "a*b?", "it's", "[x", "{a,b}", "%20 ü"])
def test_a12_a_folder_may_be_called_anything(tmp_path: Path, name: str) -> None:
    (tmp_path / "exp 2").mkdir()
    project = deliver(tmp_path / name, transactions=f"{HEADER}\n1,7,2024-04-09 10:00:00,5\n")
    assert source_days(project, NOW).newest == date(2024, 4, 9)
    assert [finding.state for finding in check_sources(Facts(project, now=NOW))] == ["ok"]
    assert views_of(project)["transactions"] == rows_of(table_of(project, "transactions"))


@pytest.mark.parametrize("folder", ["transactions", "transactions.parquet"])
def test_e8_a_folder_of_parquet_files_is_one_table_everywhere(tmp_path: Path, folder: str) -> None:
    """It passed one check and was no file for another."""
    project = deliver(tmp_path)
    for month in (3, 4):
        place = tmp_path / folder / f"month={month}"
        place.mkdir(parents=True)
        day = f"timestamp '2024-0{month}-09 10:00:00'"
        rows = f"select 1 as customer_id, 'o{month}' as order_id, {day} as ordered_at, 5.0::double as net_amount"
        duckdb.sql(rows).write_parquet(str(place / "part-0.parquet"))
    (tmp_path / folder / "_temporary").mkdir()
    (tmp_path / folder / "_temporary" / "half.parquet").write_bytes(b"PAR1")
    (tmp_path / folder / "_SUCCESS").touch()
    days = source_days(project, NOW)
    assert (days.first, days.newest) == (date(2024, 3, 9), date(2024, 4, 9))
    assert [finding.state for finding in check_sources(Facts(project, now=NOW))] == ["ok"]
    table = table_of(project, "transactions")
    assert {key: table.facts()[key] for key in ("file", "files", "records")} == {
        "file": folder,
        "files": 2,
        "records": 2,
    }
    assert sorted(views_of(project)["transactions"]) == sorted(rows_of(table))

    (tmp_path / "transactions.csv").write_text(HEADER)
    assert re.search(rf"more than one file: .*\b{folder}\b.* in ", refused(project))
    (tmp_path / "transactions.csv").unlink()
    (tmp_path / folder / "part.csv").write_text(HEADER)
    assert "has 1 files that are not Parquet, such as part.csv" in refused(project)
    with pytest.raises(RunStopped, match=r"part.csv is not a Parquet file"):
        views_of(project)


def views_of(project: Project) -> dict[str, list[tuple]]:
    """The rows of the views that dbt would make of a project's files.

    Raises:
        RunStopped: dbt would stop.
    """

    def node(described: dict, **more: object) -> SimpleNamespace:
        return SimpleNamespace(config=SimpleNamespace(meta=(described.get("config") or {}).get("meta") or {}), **more)

    with DATABASE.cursor() as cursor:
        cursor.execute("create schema if not exists raw_files")
        attached = macros(
            project.vars,
            models={},
            run_query=lambda query: SimpleNamespace(rows=cursor.execute(query).fetchall()),
            adapter={"quote": lambda name: f'"{name}"'},
        )
        problems: list[str] = []
        views = {}
        for table in source_tables(project):
            columns = {}
            for column in table.meta["columns"]:
                columns[column["name"]] = node(column, name=column["name"], data_type=column["data_type"])
            described = node(
                table.meta,
                loaded_at_field=table.stamp,
                name=table.name,
                source_name="files",
                schema="raw_files",
                identifier=table.name,
                columns=columns,
            )
            statement = attached.attached_view(described, str(table.folder), problems)
            if not problems:
                cursor.execute(statement)
                views[table.name] = cursor.execute(f"from raw_files.{table.name}").fetchall()
    if problems:
        raise RunStopped("\n".join(problems))
    return views


def test_a4_a7_e3_the_window_reads_stamps_as_the_views_do(tmp_path: Path) -> None:
    stamps = [
        "2024-04-10 01:00:00 +0000",
        "2024-04-09 12:00:00 UTC",
        *("0044-03-15 (BC)", "-infinity", "infinity", "0001-01-01 00:00:00", "0024-01-01", "1970-01-01", "1989-12-31"),
    ]
    lines = [f"1,{number},{stamp},5" for number, stamp in enumerate(stamps)]
    deliver(tmp_path, transactions="\n".join([HEADER, *lines]))
    project = project_of(tmp_path, timezone="America/New_York")
    days = source_days(project, NOW)
    # Once the first day was that of 1970, or there was a traceback.
    assert (days.first, days.newest) == (date(2024, 4, 9), date(2024, 4, 9))
    later = project_of(tmp_path, timezone="America/New_York", earliest_order_date="2024-04-10")
    assert "Timestamps before 2024-04-10 also count as unreadable (vars: earliest_order_date)" in refused(later)


def test_e3_a_line_with_an_impossible_date_has_none(tmp_path: Path) -> None:
    """Then it is rejected as one whose date cannot be read, and counted in every run."""
    stamps = ["1970-01-01", "1989-12-31 23:59:59", "-infinity", "0044-03-15 (BC)", "1990-01-01"]
    lines = [f"1,{number},{stamp},5" for number, stamp in enumerate(stamps)]
    project = deliver(tmp_path, transactions="\n".join([HEADER, *lines]))
    table = table_of(project, "transactions")
    assert rows_of(table, "ordered_at") == [*[(None,)] * 4, (datetime(1990, 1, 1),)]
    assert rows_of(table, "count(ordered_at__as_delivered)") == [(5,)]
    assert views_of(project)["transactions"] == rows_of(table)


OPTIONAL = {
    "customers": ("customer_id,first_seen_date,closed_date", "1,15/03/2024,05.04.2024"),
    "transactions": (f"{HEADER},discount_amount,cost_amount,units", '1,2,2024-04-09,5,"1,50","4,20",2 pcs'),
    "contacts": ("customer_id,campaign_id,contact_date", "1,c,01.03.2024"),
    "responses": ("customer_id,campaign_id,response_date", "1,c,01.03.2024"),
    "products": ("product_id,category,is_private_label", "p,fruit,ja"),
}


def test_a5_unreadable_values_are_counted_with_their_shape(tmp_path: Path) -> None:
    """They were missing, 0 or false without a word."""
    good = {"customers": "2,2024-03-15,", "transactions": "1,3,2024-04-09,5,1.50,,2.0", "products": "q,fruit,1.0"}
    good |= dict.fromkeys(("contacts", "responses"), "1,c,2024-03-01")
    tables = {name: f"{header}\n{row}\n{good[name]}\n" for name, (header, row) in OPTIONAL.items()}
    project = deliver(tmp_path, **tables)
    listed = source_tables(project)
    with duckdb.connect() as connection:
        connection.execute("create schema raw_files")
        sources = {}
        for table in listed:
            columns = {column["name"]: SimpleNamespace(**column) for column in table.meta["columns"]}
            sources[table.name] = SimpleNamespace(
                unique_id=table.name,
                source_name="files",
                schema="raw_files",
                name=table.name,
                identifier=table.name,
                columns=columns,
            )
            source = (
                table.rows
                if table.files
                else (
                    f"select {reader_macros().source_columns(table.meta['columns'], {}, 'UTC', None, None)} where false"
                )
            )
            connection.execute(f"create view raw_files.{table.name} as {source}")
        rendered = macros({"sources": ["files"]}, models={}, graph={"sources": sources, "nodes": {}})
        counted = connection.sql(rendered.render("checks/inputs/source_values.sql"))
        wrong = counted.filter("unreadable_values > 0").select(
            "table_name, column_name, given_values, unreadable_values, unreadable_share, example"
        )
        found = {(table, column): rest for table, column, *rest in wrong.fetchall()}
        (read,) = counted.filter("table_name = 'transactions' and column_name is null").select("rows_read").fetchone()
    half = [2, 1, 0.5]
    assert read == 2
    assert found == {
        ("customers", "first_seen_date"): [*half, "99/99/9999"],
        ("customers", "closed_date"): [1, 1, 1.0, "99.99.9999"],
        ("transactions", "discount_amount"): [*half, "9,99"],
        ("transactions", "cost_amount"): [1, 1, 1.0, "9,99"],
        ("transactions", "units"): [*half, "9 aaa"],
        ("contacts", "contact_date"): [*half, "99.99.9999"],
        ("responses", "response_date"): [*half, "99.99.9999"],
        ("products", "is_private_label"): [*half, "aa"],
    }


@pytest.mark.parametrize("late_days", [None, 60])
def test_a1_records_rows_read_kept_and_rejected_are_held_against_each_other(late_days: int | None) -> None:
    def table(name: str, **meta: str) -> SimpleNamespace:
        return SimpleNamespace(
            unique_id=name, source_name="files", name=name, config=SimpleNamespace(meta={"required": True} | meta)
        )

    rendered = macros(
        {"sources": ["files"], "late_days": late_days},
        models={},
        graph={"sources": {"t": table("transactions", becomes="transactions"), "c": table("coupons")}, "nodes": {}},
        source=lambda _system, name: f"operations_{name}",
        env_var=lambda name, _default: {"TESSERA_RUN_ID": "now"}[name],
    )
    with duckdb.connect() as connection:
        connection.execute(
            """
            create table operations_source_files as
            select * from (values ('now', 'files', 'transactions', 'transactions.csv', 12),
                ('before', 'files', 'transactions', 'transactions.csv', 99))
                as logged (run_id, source_system, table_name, file, records);
            create table source_values as
            select 'files' as source_system, unnest(['transactions', 'coupons']) as table_name, null as column_name,
                11 as rows_read;
            create table delivered_days as
            select 'files' as source_system, unnest([null, 'unknown_customer']) as problem, unnest([8, 2]) as lines;
            create table checked_transactions as
            select 'files' as source_system, if(line < 8, null, 'unknown_customer') as problem
            from range(10) as lines (line);
            """
        )
        for entity in ("customers", "products", "campaigns", "contacts", "responses"):
            connection.execute(f"create table {entity} as select 'files' as source_system")
        found = connection.sql(rendered.render("checks/inputs/source_files.sql")).order("table_name desc").fetchall()
    assert found == [
        ("files", "transactions", "transactions.csv", 12, 11, 8, 2, 1, 1),
        ("files", "coupons", None, None, 11, None, None, None, None),
    ]


# --- What is refused, all of it at once -----------------------------------------------------------

GOOD_LINE = "1,7,2024-04-09 10:00:00,5"


@pytest.mark.parametrize(
    ("transactions", "told"),
    [
        (HEADER.replace(",", ";") + "\n1;7;2024-04-09;9,50\n", r"one column only, with ';' in its name"),
        (
            "Customer ID;order_id;ordered_at\n1;7;2024-04-09\n",
            r"one column only.*Then: .*no column 'customer_id', 'net_amount'.*'customer id' looks like customer_id",
        ),
        (HEADER.replace(",", "\t") + "\n", r"one column only, with tabs in its name"),
        (HEADER.replace(",", "|") + "\n", r"one column only, with '\|' in its name"),
        (f"{HEADER},note\n{GOOD_LINE},a\n{GOOD_LINE},M\xfcller\n".encode("latin-1"), r"line 3 is not UTF-8"),
        (f"{HEADER}\n{GOOD_LINE}\n".encode("utf-16"), r"not a CSV file but text in UTF-16"),
        (b"PK\x03\x04rest of a workbook", r"not a CSV file but a ZIP archive, as .xlsx"),
        ("", r"is empty \(0 bytes\)"),
        (HEADER, r"has a header but no rows"),
        (f"\n{HEADER}\n{GOOD_LINE}\n", r"no column names in line 1"),
        (f"{HEADER}\n1,7,09/04/2024 10:00,5\n", r"'ordered_at' can be read as a timestamp.* like 99/99/9999 99:99"),
        (f"{HEADER}\n1,7,2024-04-09,\xa31234.00\n", r"'net_amount' can be read as decimal.* like \?9999.99"),
        (f'{HEADER}\n1,7,2024-04-09,"9,50"\n', r"'net_amount' can be read as decimal.* like 9,99"),
        (f"{HEADER}\n{GOOD_LINE},9\n", r"line 2 has 5 values, but line 1 names 4 columns"),
        (f"{HEADER}\n{GOOD_LINE}\n1,7\n", r"line 3 has 2 values, but line 1 names 4 columns.* cut off"),
        (f'{HEADER}\n1,"7,2024-04-09,5\n', r"a quote is not closed"),
        (f"{HEADER}\n{GOOD_LINE}\r\n{GOOD_LINE}\n", r"lines end in different ways"),
        (f"{HEADER},Order_ID\n{GOOD_LINE},8\n", r"has the column 'order_id' more than once"),
        (
            "Name,Email,Created at,Lineitem price,Lineitem sku\n#1,a@b.org,2024-04-09 10:00:00 +0000,5,x\n",
            r"no column 'customer_id', 'order_id', 'ordered_at', 'net_amount'.*'email' looks like customer_id.*"
            r"'name' looks like order_id.*'created at' looks like ordered_at.*'lineitem price' looks like net_amount",
        ),
        (
            "Order Number,Customer User ID,Order Date,Order Line Total\n1,2,2024-04-09,5\n",
            r"'customer user id' looks like customer_id.*'order number' looks like order_id",
        ),
        (f"{HEADER.replace('customer_id', 'custmer_id')}\n{GOOD_LINE}\n", r"'custmer_id' looks like customer_id"),
    ],
)
def test_b5_what_is_wrong_with_a_file_is_said(tmp_path: Path, transactions: str | bytes, told: str) -> None:
    message = refused(deliver(tmp_path, transactions=transactions))
    assert re.search(told, message, re.S), message
    assert "source 'files', table 'transactions': " in message


def test_b5_all_files_are_told_of_at_once_with_those_that_lie_there_unread(tmp_path: Path) -> None:
    project = deliver(tmp_path, customers="", products="Handle,Type\na,b\n", contacts="customer_id;campaign_id\n1;2\n")
    for name in ("transactions_2011_10.csv", "transactions_2011_11.csv", "transactions.xlsx", "transactions.csv.gz"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".hidden.csv").touch()
    message = refused(project)
    for told in (
        "table 'customers': ",
        "table 'transactions': there is no file",
        "'handle' looks like product_id, 'type' looks like category",
        "table 'contacts': ",
        "No table reads these files",
        "transactions.csv.gz, transactions.xlsx, transactions_2011_10.csv, transactions_2011_11.csv.",
    ):
        assert told in message
    assert "hidden" not in message
    # The doctor says the same.
    codes = [finding.code for finding in check_sources(Facts(project, now=NOW))]
    assert codes == ["source_unreadable", "source_missing", *["source_unreadable"] * 2, "source_unread", "ok"]


SECRET = "Quirin Geheim"


@pytest.mark.parametrize(
    "content",
    [
        f"{SECRET},1,2024-04-09,5\n{SECRET},2,2024-04-09,5\n",
        f"{HEADER}\n{GOOD_LINE},{SECRET}\n",
        f"{HEADER}\n{GOOD_LINE}\n{SECRET}\n",
        f'{HEADER}\n1,"{SECRET},5\n',
        f'{HEADER}\n1,"{SECRET}"x,2024-04-09,5\n',
        f"{HEADER}\n1,7,{SECRET},5\n",
        f"{HEADER},x\n1,7,2024-04-09,5,{SECRET}".encode() + b"\xfc\n",
        f"{SECRET}\n",
        f"{SECRET};1;2\n",
    ],
)
def test_d8_no_message_has_a_value_of_a_file(tmp_path: Path, content: str | bytes) -> None:
    """Neither of a file that is a link to another's, nor of rows that are taken for columns."""
    project = deliver(tmp_path / "files")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(content.encode() if isinstance(content, str) else content)
    (tmp_path / "files" / "transactions.csv").symlink_to(elsewhere)
    messages = [refused(project), *(f"{f.found} {f.remedy}" for f in check_sources(Facts(project, now=NOW)))]
    try:
        views_of(project)
    except RunStopped as stopped:
        messages.append(str(stopped))
    except duckdb.Error as error:
        # What a flow would show of it, did the file change after it was looked at.
        messages.append(without_values(str(error)))
    for message in messages:
        for word in SECRET.lower().split():
            assert word not in message.lower()


# --- Counting -------------------------------------------------------------------------------------


def test_records_are_counted_about_as_fast_as_a_disk_reads(tmp_path: Path) -> None:
    line = b"1234567,order-2024-12345,2024-04-09 10:00:00,12.50,p123\n"
    file = tmp_path / "transactions.csv"
    file.write_bytes(b"customer_id,order_id,ordered_at,net_amount,product_id\n" + line * 1_000_000)
    begun = time.process_time()
    assert count_records(file, 5) == 1_000_000
    # 56 MB; a CSV parser takes seconds.
    assert time.process_time() - begun < 1.0

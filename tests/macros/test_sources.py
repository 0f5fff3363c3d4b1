"""What macros make of the columns of source files."""

from datetime import date, datetime
from decimal import Decimal

import duckdb
import pytest

from flows.rules.macros import macros
from flows.steps.source_files import reader_macros

M = macros()


ZONE = "America/New_York"
# What a run looks for its days with is the same text, rendered without dbt.
READERS = (M, reader_macros())


def read(kind: str, delivered: str, zone: str = "UTC", name: str = "x") -> object:
    """What a column of a type is, for something delivered, given as SQL, on a machine in a zone."""
    found = set()
    for reader in READERS:
        with duckdb.connect() as connection:
            connection.execute(f"set TimeZone = '{zone}'")
            rows = connection.sql(f"select {delivered} as x")
            (value,) = rows.select(reader.source_value("x", str(rows.types[0]), kind, name, ZONE)).fetchone()
            found.add(value)
    (value,) = found
    return value


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize(
    "delivered",
    [
        "'2024-03-02 01:30:00Z'",
        "'2024-03-02T03:30:00.000+02:00'",
        "'2024-03-01 20:30:00-05'",
        "'2024-03-01 20:30'",
        "'2024/03/01 20:30:00'",
        "timestamptz '2024-03-02 01:30:00Z'",
        "timestamp '2024-03-01 20:30:00'",
        "timestamp_ns '2024-03-01 20:30:00'",
    ],
)
def test_the_zone_of_the_machine_does_not_decide_the_day(zone: str, delivered: str) -> None:
    """Stamps with a zone once fell on the day that the server had, and text lost its zone."""
    assert read("timestamp", delivered, zone) == datetime(2024, 3, 1, 20, 30)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
@pytest.mark.parametrize(
    "text",
    [
        "2024-03-02 01:30:00 UTC",
        "2024-03-02 01:30:00.000000 UTC",
        "2024-03-02 01:30 gmt",
        "2024-03-02T01:30Z",
        "2024-03-02 01:30:00 +0000",
        "2024-03-02 01:30:00+0000",
        "2024-03-02 01:30:00 +00:00",
        "2024-03-01 20:30:00 -05",
        "2024-03-01 20:30:00 -0500",
        "2024-03-02 07:00:00+05:30",
        "2024-03-02 02:30:00 Europe/Berlin",
        "2024-03-02 02:30 Europe/Berlin",
        "2024-03-01 20:30:00 America/New_York",
        "2024-03-01 20:30:00 America/Argentina/Buenos_Aires".replace("20:30", "22:30"),
    ],
)
def test_a4_every_offset_and_zone_makes_an_instant(zone: str, text: str) -> None:
    """BigQuery's ` UTC` was dropped, and of Shopify's ` +0000` no row could be read."""
    assert read("timestamp", f"'{text}'", zone) == datetime(2024, 3, 1, 20, 30)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-02 01:30:00 CEST",
        "2024-03-02 01:30:00 foo",
        "2024-03-02 01:30:00 Mars/Base",
        "2024-03-02 01:30:00+99:00",
        "2024-03-02 01:30:00+01:00[Europe/Berlin]",
        "2024-03-02 01:30:00 PM",
        "2024-99-01 01:30:00Z",
        "02.03.2024 01:30",
        "02/03/2024",
        "twelve in Zurich, -05",
        "now",
        "",
    ],
)
def test_a4_an_ending_that_is_not_understood_makes_a_stamp_unreadable(text: str) -> None:
    assert read("timestamp", f"'{text}'") is None


@pytest.mark.parametrize(
    "delivered",
    [
        *("'0044-03-15 (BC)'", "'-infinity'", "'infinity'", "'epoch'", "'0001-01-01 00:00:00'", "'0024-03-02'"),
        *("timestamp '-infinity'", "timestamp 'infinity'", "timestamptz 'infinity'", "timestamptz '-infinity'"),
        *("timestamp '0044-03-15 (BC) 00:00:00'", "date '-infinity'", "date '0001-01-01'", "timestamp_ns 'infinity'"),
        *("timestamp '290000-01-01 00:00:00'", "17", "1.5::double"),
    ],
)
def test_e3_what_no_calendar_of_a_shop_has_is_no_stamp_and_no_date(delivered: str) -> None:
    assert read("timestamp", delivered) is None
    assert read("date", delivered) is None


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize(
    "delivered",
    [
        *("'2024-04-05'", "'2024-04-05T00:00:00Z'", "'2024-04-05 23:59:59 -0800'", "'2024-04-05 01:00 Europe/Berlin'"),
        *("'2024/4/5'", "date '2024-04-05'", "timestamp '2024-04-05 23:59:00'"),
        # Parquet has instants only: pandas' dates in UTC, and midnight in the source's own zone.
        *("timestamptz '2024-04-05 00:00:00+00'", "timestamptz '2024-04-05 00:00:00-04'"),
    ],
)
def test_a7_a_date_is_the_day_that_is_written(zone: str, delivered: str) -> None:
    """West of Greenwich customers were closed a day early."""
    assert read("date", delivered, zone) == date(2024, 4, 5)


@pytest.mark.parametrize(
    ("kind", "delivered", "expected"),
    [
        ("date", "'05.04.2024'", None),
        ("date", "'15/03/2024'", None),
        ("decimal(18,2)", "'1,50'", None),
        ("decimal(18,2)", "'£1,234.00'", None),
        ("decimal(18,2)", "' 1.5 '", Decimal("1.50")),
        ("decimal(18,2)", "'nan'", None),
        ("decimal(18,2)", "'nan'::double", None),
        ("decimal(18,2)", "2.5::double", Decimal("2.50")),
        ("double", "'inf'", None),
        ("bigint", "'2 pcs'", None),
        ("bigint", "'5.0'", 5),
        ("bigint", "'5.4'", None),
        ("bigint", "5.0::double", 5),
        ("bigint", "5.5::double", None),
        ("boolean", "'ja'", None),
        ("boolean", "'1.0'", True),
        ("boolean", "0.0::double", False),
        ("boolean", "'No'", False),
        ("boolean", "2", None),
    ],
)
def test_a5_values_are_of_their_type_or_none(kind: str, delivered: str, expected: object) -> None:
    assert read(kind, delivered) == expected


@pytest.mark.parametrize(
    ("delivered", "key"),
    [
        *(("'5.0'", "5"), ("'5'", "5"), ("5.0::double", "5"), ("5", "5"), ("5.0::decimal(9,1)", "5")),
        *(("1e15::double", "1000000000000000"), ("-7.0::float", "-7"), ("'nan'::double", None)),
        *(("'005.00'", "005"), ("'5.5'", "5.5"), ("5.5::double", "5.5"), ("'v1.0'", "v1.0"), ("'A-5.0'", "A-5.0")),
        ("9007199254740993", "9007199254740993"),
    ],
)
def test_a6_whole_numbers_as_keys_meet_whatever_their_writing(delivered: str, key: str | None) -> None:
    """pandas wrote 5.0 where a column has gaps, and its lines lost their category."""
    assert read("varchar", delivered, name="product_id") == key


def test_a6_texts_that_are_no_keys_stay_as_they_are() -> None:
    assert read("varchar", "'5.0'", name="age_band") == "5.0"


@pytest.mark.parametrize(
    ("text", "expected"), [("05.04.2024", "99.99.9999"), ("Jane Doe, 7", "aaaa aaa, 9"), ("ö€\n", "a??")]
)
def test_a5_examples_show_shapes_and_no_values(text: str, expected: str) -> None:
    with duckdb.connect() as connection:
        assert connection.execute(f"select {M.shape('$text')}", {"text": text}).fetchone() == (expected,)


@pytest.mark.parametrize(
    ("delivered", "key"),
    [
        ("'17'", 17),
        ("'017'", 17),
        ("' 17.0 '", 17),
        ("'-3'", -3),
        ("9007199254740993", 9007199254740993),
        ("'12.6'", None),
        ("12.5", None),
        ("'C-17'", None),
        ("null", None),
    ],
)
def test_keys_that_are_no_whole_numbers_are_none(delivered: str, key: int | None) -> None:
    """12.6 once was customer 13."""
    with duckdb.connect() as connection:
        assert connection.sql(f"select {M.customer_key('id')} from (select {delivered} as id)").fetchone() == (key,)


def test_keys_that_are_text_stay_as_they_are() -> None:
    with duckdb.connect() as connection:
        sql = macros({"customer_id_type": "varchar"}).customer_key("id")
        assert connection.sql(f"select {sql} from (select 'C-0017' as id)").fetchone() == ("C-0017",)


@pytest.mark.parametrize(
    "delivered",
    [
        "12.35::decimal(18, 2)",
        "-12.35::decimal(18, 2)",
        "0.00005::decimal(18, 6)",
        "-0.00015::decimal(18, 5)",
        "0.00004999::decimal(38, 8)",
        "99999999999999.99995::decimal(38, 5)",
        "-99999999999999.99994::decimal(38, 5)",
        "7::tinyint",
        "7::uinteger",
        "9223372036854775807::bigint",
        "null::decimal(9, 5)",
    ],
)
def test_exact_numbers_are_what_their_text_says(delivered: str) -> None:
    """They are not read from their text, which costs most of reading a file, and round and overflow as it does."""
    assert read("decimal(18, 4)", delivered) == read("decimal(18, 4)", f"cast({delivered} as varchar)")


@pytest.mark.parametrize("delivered_type", ["DECIMAL(18,2)", "BIGINT", "INTEGER", "UTINYINT", "HUGEINT"])
def test_exact_numbers_take_no_way_through_text(delivered_type: str) -> None:
    """Decimals and integers of Parquet are cast at once."""
    for reader in READERS:
        assert "varchar" not in reader.source_value("x", delivered_type, "decimal(18, 4)", "x", ZONE)

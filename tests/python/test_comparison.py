"""The comparison of a challenger: the SQL of fct_segmentation_comparison against slow and obvious counting."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from typing import Any

import duckdb
import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.rules.macros import macros
from flows.steps.project import ROOT

TODAY = date(2024, 4, 30)
BEFORE = TODAY - timedelta(days=30)
FOREVER = date(9999, 12, 31)
ALL = "(all)"
ALL_OF_BOTH = (ALL, ALL)

Row = dict[str, Any]
# One customer: the segments today and the net sales in cents.
Placed = tuple[str, str, int]


@pytest.fixture(scope="module")
def model() -> str:
    """The compiled SQL of the model."""
    known = macros(variables={"first_date": str(TODAY), "last_date": str(TODAY)})
    source = (ROOT / "models" / "marts" / "segments" / "fct_segmentation_comparison.sql").read_text()
    return jinja2.Template(source).render(ref=lambda name: name, cents=known.cents, last_date=known.last_date)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(
            """
            -- The tables are tiny: threads would only wait for each other.
            set threads = 1;
            create table dim_segmentations (
                segmentation varchar, status varchar, challenger_of varchar, is_current boolean, flapping_rate double
            );
            create table customer_segments (customer_id bigint, segmentation varchar, segment varchar);
            create table fct_segment_spells (
                customer_id bigint, segmentation varchar, segment varchar, valid_from date, valid_to date
            );
            create table fct_customer_features (customer_id bigint, net_sales_365d decimal(18, 2));
            """
        )
        yield connection


class Marts:
    """The marts that the model reads, filled row by row."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, model: str) -> None:
        self.connection = connection
        self.model = model
        for (table,) in connection.sql("select table_name from duckdb_tables()").fetchall():
            connection.execute(f"truncate {table}")

    def add(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            marks = ", ".join("?" for _ in rows[0])
            values = ", ".join(f"({marks})" for _ in rows)
            self.connection.execute(f"insert into {table} values {values}", [value for row in rows for value in row])

    def segmentations(self, **challenged: str | None) -> None:
        """Segmentations in force, with what each challenges."""
        self.add(
            "dim_segmentations",
            [[name, "challenger" if other else "active", other, True, 0.25] for name, other in challenged.items()],
        )

    def customers(
        self, segmentation: str, segments: Mapping[int, str], before: Mapping[int, str] | None = None
    ) -> None:
        """Where customers are today, and where they were 30 days before."""
        self.add("customer_segments", [[customer, segmentation, segment] for customer, segment in segments.items()])
        spells = [[customer, segmentation, segment, BEFORE, TODAY] for customer, segment in (before or {}).items()]
        spells += [[customer, segmentation, segment, TODAY, FOREVER] for customer, segment in segments.items()]
        self.add("fct_segment_spells", spells)

    def sales(self, cents: Mapping[int, int]) -> None:
        self.add("fct_customer_features", [[customer, Decimal(value) / 100] for customer, value in cents.items()])

    def rows(self) -> list[Row]:
        found = self.connection.sql(self.model)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    def compare(self, placed: Sequence[Placed]) -> dict[tuple[str, str], Row]:
        """The comparison of one challenger, by cell."""
        self.segmentations(seg_old=None, seg_new="seg_old")
        self.customers("seg_old", {number: active for number, (active, _, _) in enumerate(placed)})
        self.customers("seg_new", {number: challenger for number, (_, challenger, _) in enumerate(placed)})
        self.sales({number: cents for number, (_, _, cents) in enumerate(placed)})
        return {(row["active_segment"], row["challenger_segment"]): row for row in self.rows()}


@pytest.fixture
def marts(connection: duckdb.DuckDBPyConnection, model: str) -> Marts:
    return Marts(connection, model)


# --- Slow and obvious ----------------------------------------------------------


def adjusted_rand_index(placed: Sequence[Placed]) -> float:
    """Cohen's kappa of the pairs of customers, which is the same (Warrens, Journal of Classification 25, 2008)."""
    kinds = Counter((one[0] == other[0], one[1] == other[1]) for one, other in combinations(placed, 2))
    both, first, second, neither = kinds[True, True], kinds[True, False], kinds[False, True], kinds[False, False]
    most = (both + first) * (first + neither) + (both + second) * (second + neither)
    return 2 * (both * neither - first * second) / most if most else 1.0


def by_segment(placed: Sequence[Placed], side: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for customer in placed:
        found.setdefault(customer[side], []).append(customer[2])
    return found


def value_separation(placed: Sequence[Placed], side: int) -> Fraction | None:
    """The net sales that the segments above the mean would have to give away, over all net sales."""
    total = sum(cents for _, _, cents in placed)
    if total == 0:
        return None
    mean = Fraction(total, len(placed))
    excess = [sum(segment) - mean * len(segment) for segment in by_segment(placed, side).values()]
    return sum((abs(each) for each in excess), Fraction(0)) / 2 / abs(total)


def share_explained(placed: Sequence[Placed], side: int) -> Fraction | None:
    """One minus what is left of the squares within the segments."""

    def squares(values: Sequence[int]) -> Fraction:
        mean = Fraction(sum(values), len(values))
        return sum(((value - mean) ** 2 for value in values), Fraction(0))

    total = squares([cents for _, _, cents in placed])
    within = sum((squares(segment) for segment in by_segment(placed, side).values()), Fraction(0))
    return 1 - within / total if total else None


def same(actual: float | None, expected: float | Fraction | None) -> bool:
    if actual is None or expected is None:
        return actual is expected
    return actual == pytest.approx(float(expected), abs=6e-7)


# --- Tests ---------------------------------------------------------------------

labels = st.sampled_from(["a", "b", "c", "d"])
cents = st.one_of(st.sampled_from([0, 10_000]), st.integers(-5_000, 2_000_000))


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(labels, labels, cents), min_size=1, max_size=25))
def test_any_two_segmentations_compare_as_counted_by_hand(
    connection: duckdb.DuckDBPyConnection, model: str, placed: list[Placed]
) -> None:
    cells = Marts(connection, model).compare(placed)

    customers: Counter[tuple[str, str]] = Counter()
    sales: Counter[tuple[str, str]] = Counter()
    for active, challenger, value in placed:
        for cell in [(active, challenger), (active, ALL), (ALL, challenger), ALL_OF_BOTH]:
            customers[cell] += 1
            sales[cell] += value
    assert {cell: row["customers"] for cell, row in cells.items()} == dict(customers)
    assert {cell: row["net_sales_365d"] * 100 for cell, row in cells.items()} == dict(sales)

    whole = cells[ALL_OF_BOTH]
    assert same(whole["adjusted_rand_index"], adjusted_rand_index(placed))
    for side, name in enumerate(["active", "challenger"]):
        # Where returns exceed sales, shares of them turn their sign, not their size.
        assert same(whole[f"{name}_value_separation"], value_separation(placed, side))
        assert same(whole[f"{name}_share_explained"], share_explained(placed, side))


def test_adjusted_rand_index_of_a_published_example(marts: Marts) -> None:
    """The table of Yeung and Ruzzo, Details of the adjusted Rand index (2001): 0.313."""
    table = {"u1": [1, 1, 0], "u2": [1, 2, 1], "u3": [0, 0, 4]}
    placed = [
        (row, f"v{column}", 100) for row, counts in table.items() for column, n in enumerate(counts) for _ in [0] * n
    ]
    assert len(placed) == 10
    assert marts.compare(placed)[ALL_OF_BOTH]["adjusted_rand_index"] == pytest.approx(0.313, abs=0.0005)


@pytest.mark.parametrize(
    ("active", "challenger", "index"),
    [
        ("aabb", "xxyy", 1.0),  # other names for the same division
        ("aabb", "xyxy", -0.5),  # less alike than by chance
        ("aaaa", "wxyz", 0.0),  # together against apart
        ("aaaa", "xxxx", 1.0),  # 0 / 0: everybody together in both
        ("abcd", "wxyz", 1.0),  # 0 / 0: everybody apart in both
        ("a", "x", 1.0),  # no pair at all
    ],
)
def test_adjusted_rand_index_at_its_ends(marts: Marts, active: str, challenger: str, index: float) -> None:
    placed = [(one, other, 100) for one, other in zip(active, challenger, strict=True)]
    assert marts.compare(placed)[ALL_OF_BOTH]["adjusted_rand_index"] == index


def test_value_separates_and_explains_in_a_case_that_fits_on_paper(marts: Marts) -> None:
    """Half of the customers have all the sales: half of the sales would have to move, and nothing is left within."""
    whole = marts.compare([("rich", "x", 1000), ("rich", "y", 1000), ("poor", "x", 0), ("poor", "y", 0)])[ALL_OF_BOTH]
    assert (whole["active_value_separation"], whole["active_share_explained"]) == (0.5, 1.0)
    assert (whole["challenger_value_separation"], whole["challenger_share_explained"]) == (0.0, 0.0)


def test_only_the_row_of_the_totals_has_what_is_said_of_the_whole(marts: Marts) -> None:
    cells = marts.compare([("a", "x", 100), ("a", "y", 300), ("b", "y", 500)])
    said_once = set(cells[ALL_OF_BOTH]) - {
        *("as_of_date", "segmentation", "challenger", "active_segment", "challenger_segment"),
        *("customers", "net_sales_365d"),
    }
    assert len(said_once) == 9
    for cell, row in cells.items():
        given_here = {name for name in said_once if row[name] is not None}
        assert given_here == (
            said_once - {"active_stability", "challenger_stability"} if cell == ALL_OF_BOTH else set()
        )


def test_stability_is_of_those_who_were_known_on_both_days(marts: Marts) -> None:
    marts.segmentations(seg_old=None, seg_new="seg_old")
    marts.sales(dict.fromkeys(range(6), 100))
    # 0 and 1 stayed, 2 and 3 moved, 4 joined since and 5 left before today.
    marts.customers("seg_old", {0: "a", 1: "b", 2: "a", 3: "a", 4: "a"}, {0: "a", 1: "b", 2: "b", 3: "b", 5: "a"})
    marts.customers("seg_new", dict.fromkeys(range(5), "x"), dict.fromkeys((0, 1, 2), "x") | {3: "y"})
    (whole,) = (row for row in marts.rows() if (row["active_segment"], row["challenger_segment"]) == ALL_OF_BOTH)
    assert (whole["active_stability"], whole["challenger_stability"]) == (0.5, 0.75)


def test_stability_looks_at_the_state_of_exactly_30_days_before(marts: Marts) -> None:
    marts.segmentations(seg_old=None, seg_new="seg_old")
    marts.sales({0: 100, 1: 100})
    marts.add("customer_segments", [[n, name, "a"] for n in (0, 1) for name in ("seg_old", "seg_new")])
    day = timedelta(days=1)
    marts.add(
        "fct_segment_spells",
        [
            # The stay in b ends with the day before: a counts.
            [0, "seg_old", "b", date(2024, 1, 1), BEFORE],
            [0, "seg_old", "a", BEFORE, FOREVER],
            # The stay in b has that day as its last.
            [1, "seg_old", "b", date(2024, 1, 1), BEFORE + day],
            [1, "seg_old", "a", BEFORE + day, FOREVER],
            # The challenger began a day later.
            [0, "seg_new", "a", BEFORE + day, FOREVER],
            [1, "seg_new", "a", BEFORE + day, FOREVER],
        ],
    )
    (whole,) = (row for row in marts.rows() if (row["active_segment"], row["challenger_segment"]) == ALL_OF_BOTH)
    assert (whole["active_stability"], whole["challenger_stability"]) == (0.5, None)


def test_every_challenger_is_compared_with_the_one_that_it_challenges(marts: Marts) -> None:
    marts.segmentations(seg_old=None, seg_other=None, seg_new="seg_old", seg_newer="seg_old")
    marts.add("dim_segmentations", [["seg_older", "challenger", "seg_other", False, None]])
    for name in ("seg_old", "seg_other", "seg_new", "seg_newer", "seg_older"):
        marts.customers(name, {0: f"{name}_a", 1: f"{name}_b"})
    marts.sales({0: 100, 1: 200})
    rows = marts.rows()
    # Four margins with the total, and two cells, for each.
    assert Counter((row["segmentation"], row["challenger"]) for row in rows) == {
        ("seg_old", "seg_new"): 7,
        ("seg_old", "seg_newer"): 7,
    }
    for row in rows:
        assert row["active_segment"] in (ALL, "seg_old_a", "seg_old_b")
        assert row["challenger_segment"] in (ALL, f"{row['challenger']}_a", f"{row['challenger']}_b")


def test_without_a_challenger_there_are_no_rows(marts: Marts) -> None:
    marts.segmentations(seg_old=None)
    marts.customers("seg_old", {0: "a", 1: "b"})
    marts.sales({0: 100, 1: 200})
    assert marts.rows() == []


def test_columns_are_those_of_the_contract(model: str, marts: Marts) -> None:
    contract = (ROOT / "models" / "marts" / "segments" / "_segments.yml").read_text()
    own = contract.split("- name: fct_segmentation_comparison")[1]
    assert marts.connection.sql(model).columns == re.findall(r"^      - name: (\w+)", own, re.MULTILINE)

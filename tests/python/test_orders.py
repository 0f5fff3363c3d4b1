"""Which lines are orders, which are returns, and on which day they count."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.python.oracle import Customer, Facts, Line, Product, Row
from tests.python.warehouse import Warehouse

JANUARY, APRIL = date(2024, 1, 20), date(2024, 4, 10)
HISTORY_START = date(2024, 1, 1)


def line(customer: int, order: str, at: str, amount: str, **more: Any) -> Line:
    """A line of an order."""
    return Line(customer, order, datetime.fromisoformat(at), Decimal(amount), **more)


def facts(*lines: Line, products: tuple[Product, ...] = ()) -> Facts:
    """Two customers, and what they ordered."""
    return Facts(tuple(Customer(number, HISTORY_START) for number in (33, 34)), lines, products)


def built(*lines: Line, last: date = APRIL, products: tuple[Product, ...] = ()) -> Warehouse:
    """A warehouse with one day."""
    warehouse = Warehouse(history_start=str(HISTORY_START))
    warehouse.run(facts(*lines, products=products), last, last)
    return warehouse


def measures(warehouse: Warehouse, day: date = APRIL, customer: int = 33) -> Row:
    """What a customer is measured at on a day."""
    (row,) = warehouse.rows(
        f"from customer_measures_history where as_of_date = date '{day}' and customer_id = {customer}"
    )
    return row


def measured(warehouse: Warehouse, *names: str, day: date = APRIL, customer: int = 33) -> tuple[Any, ...]:
    """Some measures of a customer on a day."""
    row = measures(warehouse, day, customer)
    return tuple(row[name] for name in names)


def rejected(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """The lines that were kept apart: order, customer and problem."""
    found = warehouse.connection.sql("select order_id, customer_id, problem from rejected_transactions order by all")
    return found.fetchall()


def test_a3_a_refund_as_an_order_of_its_own_is_no_order() -> None:
    warehouse = built(
        line(33, "X1", "2024-01-20 12:00", "100.00", units=Decimal(2)),
        line(33, "X2", "2024-04-01 12:00", "-100.00", units=Decimal(-2)),
    )
    assert measured(warehouse, "last_order_date", "orders_lifetime", "orders_30d", "active_days_90d") == (
        *(JANUARY, 1, 0, 1),
    )
    assert measured(warehouse, "returns_7d", "returns_30d", "returns_90d", "return_share_365d") == (0, 1, 1, 1.0)
    assert measured(warehouse, "net_sales_lifetime", "net_sales_30d", "units_30d", "units_365d") == (0, -100, 0, 2)
    assert measured(warehouse, "average_order_value_365d", "median_days_between_orders") == (100, None)


def test_a3_a_refund_under_the_old_order_counts_as_money_on_its_own_day() -> None:
    warehouse = built(
        line(33, "X1", "2024-01-20 12:00", "100.00", product_id="P", discount_amount=Decimal(25)),
        line(33, "X1", "2024-04-01 12:00", "-40.00", product_id="Q", discount_amount=Decimal(-10)),
        products=(Product("P", "bread"), Product("Q", "cheese")),
    )
    days = "select activity_date, orders, returns, net_exact / 10000 as net from customer_days order by 1"
    assert warehouse.connection.sql(days).fetchall() == [(JANUARY, 1, 0, 100), (date(2024, 4, 1), 0, 1, -40)]
    assert measured(warehouse, "last_order_date", "orders_lifetime", "returns_365d") == (JANUARY, 1, 1)
    assert measured(warehouse, "net_sales_365d", "discounts_365d", "discount_share_365d", "return_share_365d") == (
        *(60, 25, 0.2, 0.4),
    )
    assert measured(warehouse, "categories_365d", "top_category_365d", "top_category_share_365d") == (1, "bread", 1)


def test_a3_a_sale_and_its_cancellation_in_one_order_are_an_order_and_a_return() -> None:
    warehouse = built(
        line(33, "X1", "2024-04-01 12:00", "50.00"),
        line(33, "X1", "2024-04-01 12:00", "-50.00"),
    )
    assert measured(warehouse, "orders_30d", "active_days_30d", "returns_30d", "net_sales_30d") == (1, 1, 1, 0)
    assert measured(warehouse, "average_order_value_365d", "return_share_365d") == (50, 1)


@pytest.mark.parametrize("days", [1, 100])
def test_a3_an_order_returned_in_parts_is_one_return_of_every_window(days: int) -> None:
    """A window that had only its second part had no return."""
    given = facts(
        line(33, "X1", "2024-01-02 12:00", "50.00"),
        line(33, "X1", "2024-02-01 12:00", "-10.00"),
        line(33, "X1", "2024-02-20 12:00", "-10.00"),
        line(33, "X1", "2024-03-20 12:00", "-10.00"),
        line(33, "X2", "2024-03-20 12:00", "-1.00"),
    )
    warehouse = Warehouse(history_start=str(HISTORY_START))
    first = date(2024, 3, 1)
    while first <= APRIL:
        last = min(first + timedelta(days=days - 1), APRIL)
        warehouse.run(given, first, last)
        first = last + timedelta(days=1)
    by_day = {
        day: measured(warehouse, "returns_30d", day=day) for day in (date(2024, 3, d) for d in (1, 2, 19, 20, 22))
    }
    assert list(by_day.values()) == [(1,), (1,), (1,), (2,), (2,)]
    assert measured(warehouse, "returns_7d", "returns_30d", "returns_90d", "returns_365d") == (0, 2, 2, 2)


def test_a3_an_order_of_nothing_is_an_order() -> None:
    warehouse = built(line(33, "X1", "2024-04-01 12:00", "0.00"))
    assert measured(warehouse, "orders_30d", "returns_30d", "last_order_date") == (1, 0, date(2024, 4, 1))
    assert measured(warehouse, "average_order_value_365d", "return_share_365d") == (0, None)


def test_a3_an_order_past_midnight_is_one_order_on_its_first_day() -> None:
    warehouse = built(
        line(33, "X1", "2024-04-01 23:59", "10.00"),
        line(33, "X1", "2024-04-02 00:01", "5.00"),
        line(33, "X0", "2024-03-25 12:00", "1.00"),
    )
    assert measured(warehouse, "orders_lifetime", "active_days_30d", "last_order_date") == (2, 2, date(2024, 4, 1))
    assert measured(warehouse, "median_days_between_orders", "longest_pause_90d") == (7, 7)
    days = "select activity_date, orders, net_exact / 10000 from customer_days order by 1"
    assert warehouse.connection.sql(days).fetchall()[1:] == [(date(2024, 4, 1), 1, 10), (date(2024, 4, 2), 0, 5)]


def test_a3_returns_alone_are_no_activity() -> None:
    warehouse = built(line(33, "X2", "2024-04-01 12:00", "-10.00"), line(33, "X2", "2024-04-05 12:00", "-10.00"))
    assert measured(warehouse, "first_order_date", "orders_lifetime", "net_sales_lifetime") == (None, 0, -20)
    # One return, of the day on which it began.
    assert measured(warehouse, "returns_30d", "returns_7d", "return_share_365d", "active_days_365d") == (1, 1, None, 0)


@pytest.mark.parametrize(
    ("amount", "units", "is_return", "expected"),
    [
        ("-1.00", None, None, (0, 1)),
        ("1.00", "-1", None, (0, 1)),
        ("1.00", None, None, (1, 0)),
        # What a column says goes before the sign: a price correction is a sale.
        ("-1.00", "-1", False, (1, 0)),
        ("-1.00", None, True, (0, 1)),
        ("1.00", "1", True, (0, 1)),
    ],
)
def test_a3_a_line_is_a_return_where_a_column_says_so_or_else_its_sign(
    amount: str, units: str | None, is_return: bool | None, expected: tuple[int, int]
) -> None:
    given = line(33, "X1", "2024-04-01 12:00", amount, units=units and Decimal(units), is_return=is_return)
    assert measured(built(given), "orders_30d", "returns_30d") == expected


def test_a3_a_cancelled_order_counts_nowhere_and_is_kept_apart() -> None:
    warehouse = built(
        line(33, "X1", "2024-04-01 12:00", "10.00", order_status="Cancelled"),
        # Some shops write the status on the first line alone.
        line(33, "X2", "2024-04-02 12:00", "10.00", order_status=" VOID"),
        line(33, "X2", "2024-04-02 12:00", "5.00"),
        line(33, "X3", "2024-04-03 12:00", "10.00", order_status="shipped"),
    )
    assert measured(warehouse, "orders_lifetime", "net_sales_lifetime", "returns_365d") == (1, 10, 0)
    assert rejected(warehouse) == [("X1", 33, "cancelled_order"), *[("X2", 33, "cancelled_order")] * 2]


def test_a3_an_order_has_the_customer_of_its_first_line() -> None:
    warehouse = built(
        line(34, "X1", "2024-04-01 12:00", "10.00"),
        line(33, "X1", "2024-04-01 11:59", "1.00"),
        line(33, "X1", "2024-04-03 12:00", "2.00"),
        # At one moment the smallest key decides.
        line(34, "X2", "2024-04-04 12:00", "4.00"),
        line(33, "X2", "2024-04-04 12:00", "8.00"),
    )
    assert measured(warehouse, "orders_lifetime", "net_sales_lifetime") == (2, 11)
    assert measured(warehouse, "orders_lifetime", "net_sales_lifetime", customer=34) == (0, 0)
    assert rejected(warehouse) == [(order, 34, "order_of_another_customer") for order in ("X1", "X2")]


@pytest.fixture
def runs() -> tuple[Warehouse, list[Line]]:
    """A warehouse that has an order of 2 April, and its lines."""
    lines = [line(33, "X1", "2024-04-02 00:01", "5.00"), line(33, "X1", "2024-04-04 12:00", "5.00")]
    warehouse = Warehouse(history_start=str(HISTORY_START))
    warehouse.run(facts(*lines), APRIL - timedelta(days=1), APRIL - timedelta(days=1))
    return warehouse, lines


def test_a3_a_late_first_line_moves_its_order_to_another_day(runs: tuple[Warehouse, list[Line]]) -> None:
    warehouse, lines = runs
    assert measured(warehouse, "orders_lifetime", "last_order_date", day=APRIL - timedelta(days=1)) == (
        *(1, date(2024, 4, 2)),
    )
    warehouse.run(facts(*lines, line(33, "X1", "2024-04-01 23:59", "10.00")), APRIL, APRIL)
    assert measured(warehouse, "orders_lifetime", "last_order_date", "active_days_30d", "net_sales_30d") == (
        *(1, date(2024, 4, 1), 1, 20),
    )


def test_a3_a_late_first_line_gives_an_order_to_its_customer(runs: tuple[Warehouse, list[Line]]) -> None:
    warehouse, lines = runs
    warehouse.run(facts(*lines, line(34, "X1", "2024-04-01 23:59", "10.00")), APRIL, APRIL)
    assert measured(warehouse, "orders_lifetime", "net_sales_lifetime") == (0, 0)
    assert measured(warehouse, "orders_lifetime", "net_sales_lifetime", customer=34) == (1, 10)


def test_a3_shared_orders_are_counted_by_the_input_checks() -> None:
    warehouse = built(
        line(33, "X1", "2024-04-10 11:00", "1.00"),
        line(34, "X1", "2024-04-10 12:00", "1.00"),
        line(34, "X1", "2024-04-10 12:00", "2.00"),
    )
    (row,) = warehouse.rows(warehouse.macros.render("checks/inputs/input_problems.sql"))
    assert (row["order_of_another_customer"], row["order_of_another_customer_share"]) == (2, pytest.approx(2 / 3))


# --- Fractions -----------------------------------------------------------------


@pytest.mark.parametrize("days_apart", [0, 1])
def test_a11_fractions_of_cents_add_up_before_they_are_rounded(days_apart: int) -> None:
    lines = [
        line(33, f"X{n}", str(datetime(2024, 4, 1, 12) + n * days_apart * timedelta(days=1)), "0.125")
        for n in range(8)
    ]  # fmt: skip
    warehouse = built(*lines)
    assert measured(warehouse, "net_sales_30d", "net_sales_lifetime") == (1, 1)
    assert measured(warehouse, "average_order_value_365d") == (0.125,)


def test_a11_fractions_of_units_are_units() -> None:
    lines = [line(33, "X1", "2024-04-10 12:00", "1.00", units=Decimal("0.4")) for _ in range(3)]
    assert measured(built(*lines), "units_7d", "units_365d") == (1.2, 1.2)


def test_a11_half_a_cent_is_rounded_once_and_away_from_zero() -> None:
    warehouse = built()
    money = warehouse.macros.money(warehouse.macros.exact("amount"))
    amounts = ("1.005", "0.125", "-0.125", "0.1249", "2.675", "900000000000.0049")
    found = [
        warehouse.connection.sql(f"select {money} from (select cast({amount} as double) as amount)").fetchone()[0]
        for amount in amounts
    ]
    rounded = ("1.01", "0.13", "-0.13", "0.12", "2.68", "900000000000.00")
    assert found == [Decimal(text) for text in rounded]


def test_a11_a_late_change_of_a_fraction_of_a_cent_is_seen() -> None:
    warehouse = Warehouse(history_start=str(HISTORY_START))
    before = APRIL - timedelta(days=1)
    warehouse.run(facts(line(33, "X1", "2024-04-01 12:00", "0.125")), before, before)
    warehouse.run(facts(line(33, "X1", "2024-04-01 12:00", "0.1275")), APRIL, APRIL)
    assert measured(warehouse, "net_sales_30d") == (0.1275,)
    (late,) = warehouse.rows("select net_cents_before, net_cents_now from late_customer_days")
    assert (late["net_cents_before"], late["net_cents_now"]) == (12.5, 12.75)

"""Small random companies for the oracle's tests, with every corner that the definitions mention.

Hypothesis draws the outline of a world (how many customers, how long, which seed); a seeded generator fills it in, so
that an example stays small to draw, to print and to shrink, however many lines it has.
"""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from tests.python.oracle import ONE_DAY, Campaign, Contact, Customer, Facts, Line, Product, Response

# A Wednesday in the middle of a month; a new year and a leap day follow.
HISTORY_START = date(2023, 12, 13)

PRODUCTS = (
    Product("P1", "bread", False),
    Product("P2", "bread", True),
    Product("P3", "cheese", None),
    Product("P4", "Wein, rot", True),
    Product("P5", "apples", False),
    Product("P6", None, True),
)
# Few amounts, so that customers and categories tie; some with fractions of cents.
AMOUNTS = tuple(
    Decimal(text)
    for text in ("0.00", "0.07", "1.00", "2.00", "2.00", "2.50", "3.10", "9.99", "-1.00", "0.125", "0.3333", "-0.005")
)
UNITS = (None, *(Decimal(text) for text in ("0", "1", "1", "2", "5", "0.4", "1.125", "-1")))
DISCOUNTS = (None, Decimal("0.00"), Decimal("0.50"), Decimal("1.00"))
COMPOSITIONS = (None, "1 Adult Kids", "2 Adults Kids", "1 Adult No Kids", "2 Adults No Kids")
AGES = (None, "19-24", "25-34", "45-54", "65+")


@dataclass(frozen=True)
class Outline:
    """What a world is drawn from: its customers, the days of its history, the seed of everything else."""

    customers: int
    days: int
    seed: int

    @property
    def last(self) -> date:
        """The last day of the history."""
        return HISTORY_START + (self.days - 1) * ONE_DAY


@dataclass
class World:
    """A world being filled in."""

    outline: Outline
    random: Random
    lines: list[Line]
    orders: int = 0

    def order(self, customer_id: int, day: date) -> None:
        """An order of one to three lines, mostly at one moment, at times at the very edge of the day and past it."""
        self.orders += 1
        moment = datetime.combine(day, self.random.choice((time.min, time(12, 30), time(23, 59, 59))))
        order_id = f"O{self.orders}"
        status = self.random.choice((None,) * 20 + ("shipped", "Cancelled", " VOID "))
        for _ in range(self.random.choice((1, 1, 2, 3))):
            self.lines.append(self.line(customer_id, order_id, moment, self.random.choice(AMOUNTS), status))
            moment += self.random.choice((0, 0, 0, 1)) * timedelta(minutes=2)
        self.contradict(customer_id, order_id, moment)

    def line(
        self, customer_id: int, order_id: str, moment: datetime, amount: Decimal, status: str | None = None
    ) -> Line:
        """A line of an order. Now and then a column says what it is, whatever its sign."""
        return Line(
            customer_id=customer_id,
            order_id=order_id,
            ordered_at=moment,
            net_amount=amount,
            product_id=self.random.choice((*(product.product_id for product in PRODUCTS), "P9", None)),
            units=self.random.choice(UNITS),
            discount_amount=self.random.choice(DISCOUNTS),
            coupon_amount=self.random.choice(DISCOUNTS),
            is_return=self.random.choice((None,) * 8 + (False, True)),
            order_status=status,
        )

    def contradict(self, customer_id: int, order_id: str, moment: datetime) -> None:
        """What comes after some orders: money back, at once or weeks later, and lines of somebody else."""
        later = moment + self.random.choice((0, 0, 1, 9, 40)) * ONE_DAY
        way = self.random.choice((None,) * 20 + ("refund", "refund", "refund of its own", "more", "stranger"))
        if way == "refund":
            self.lines.append(self.line(customer_id, order_id, later, Decimal("-2.00")))
        elif way == "refund of its own":
            self.lines.append(self.line(customer_id, f"R{self.orders}", later, Decimal("-3.10")))
        elif way == "more":
            self.lines.append(self.line(customer_id, order_id, later, Decimal("2.50")))
        elif way == "stranger":
            stranger = self.random.randint(1, self.outline.customers + 1)
            at = moment + self.random.choice((-1, 0, 0, 1)) * ONE_DAY
            self.lines.append(self.line(stranger, order_id, at, Decimal("1.00")))

    def orders_between(self, customer_id: int, first: date, last: date, gap: int) -> None:
        """Orders about every so many days, now and then two or three on a day."""
        day = first + self.random.randrange(gap) * ONE_DAY
        while day <= last:
            for _ in range(self.random.choice((1, 1, 1, 1, 2, 3))):
                self.order(customer_id, day)
            day += self.random.randint(1, 2 * gap - 1) * ONE_DAY

    def any_day(self, first: date, last: date) -> date:
        """A day from first to last."""
        return first + self.random.randint(0, (last - first).days) * ONE_DAY

    def shop(self, customer_id: int) -> None:
        """The orders of one customer, after one of the ways in which customers live."""
        random, last = self.random, self.outline.last
        long_ago = HISTORY_START - 420 * ONE_DAY
        soon = last + 10 * ONE_DAY
        way = random.choice(("never", "often", "often", "weekly", "weekly", "rarely", "lapsed", "once", "back", "new"))
        if way == "often":
            self.orders_between(customer_id, HISTORY_START - random.choice((0, 40, 100)) * ONE_DAY, soon, 3)
        elif way == "weekly":
            self.orders_between(customer_id, self.any_day(long_ago, HISTORY_START), soon, 7)
        elif way == "rarely":
            self.orders_between(customer_id, long_ago, soon, 45)
        elif way == "lapsed":
            stop = self.any_day(HISTORY_START - 60 * ONE_DAY, last)
            self.orders_between(customer_id, stop - 60 * ONE_DAY, stop, 5)
        elif way == "once":
            # Falls out of the 365 days within the history, for most.
            self.order(customer_id, self.any_day(HISTORY_START - 370 * ONE_DAY, last - 360 * ONE_DAY))
        elif way == "back":
            again = self.any_day(HISTORY_START - 30 * ONE_DAY, last)
            away = again - random.randint(45, 110) * ONE_DAY
            self.orders_between(customer_id, away - 30 * ONE_DAY, away, 6)
            self.orders_between(customer_id, again, soon, 6)
        elif way == "new":
            self.orders_between(customer_id, self.any_day(HISTORY_START - 30 * ONE_DAY, last), soon, 8)


def make_customer(customer_id: int, outline: Outline, random: Random) -> Customer:
    """Who somebody is, since when, and until when."""
    edges = (HISTORY_START, HISTORY_START + ONE_DAY, outline.last, outline.last + ONE_DAY)
    anywhere = HISTORY_START + random.randint(-400, outline.days) * ONE_DAY
    first_seen = random.choice((None, anywhere, anywhere, anywhere, random.choice(edges)))
    within = HISTORY_START + random.randint(1, max(outline.days - 1, 1)) * ONE_DAY
    closed = random.choice((None,) * 5 + (within, random.choice(edges)))
    return Customer(
        customer_id=customer_id,
        first_seen_date=first_seen,
        closed_date=closed,
        customer_type="household",
        household_composition=random.choice(COMPOSITIONS),
        age_band=random.choice(AGES),
        marital_status=random.choice((None, "Married")),
    )


def make_facts(outline: Outline) -> Facts:
    """The world of an outline, always the same."""
    random = Random(outline.seed)
    world = World(outline, random, lines=[])
    customers = [make_customer(customer_id, outline, random) for customer_id in range(1, outline.customers + 1)]
    for customer in customers:
        world.shop(customer.customer_id)
    lines = world.lines + broken_lines(outline, random)
    campaigns = tuple(Campaign(f"C{number}", HISTORY_START + number * ONE_DAY) for number in range(3))

    def some_days(most: int) -> list[tuple[int, date]]:
        earliest = HISTORY_START - 370 * ONE_DAY
        latest = outline.last + 5 * ONE_DAY
        return [
            (customer.customer_id, day)
            for customer in customers
            for day in (world.any_day(earliest, latest) for _ in range(random.choice((0, 0, 1, most))))
        ]

    contacts = [Contact(who, random.choice(campaigns).campaign_id, day) for who, day in some_days(6)]
    responses = [Response(who, random.choice(campaigns).campaign_id, "X1", day) for who, day in some_days(4)]
    random.shuffle(lines)
    facts = Facts(tuple(customers), tuple(lines), PRODUCTS, campaigns, tuple(contacts), tuple(responses))
    return withhold(facts, outline)


def withhold(facts: Facts, outline: Outline) -> Facts:
    """The facts without what sources need not deliver: of some kinds nothing, of others nothing before a day."""
    # Of its own, so that the rest of the world is the same with and without it.
    random = Random(outline.seed + 1)

    def begins() -> datetime:
        within = HISTORY_START + random.randrange(-20, outline.days) * ONE_DAY
        return random.choice((datetime.min, datetime.min, datetime.max, datetime.combine(within, time.min)))

    def hidden(line: Line, *columns: tuple[str, datetime]) -> Line:
        early = {name: None for name, begin in columns if line.ordered_at is None or line.ordered_at < begin}
        return replace(line, **early)

    discounts, coupons, products, contacts, responses = (begins() for _ in range(5))
    columns = (("discount_amount", discounts), ("coupon_amount", coupons), ("product_id", products))
    kinds = random.choice(
        (
            facts.products,
            facts.products,
            tuple(replace(product, is_private_label=None) for product in facts.products),
            tuple(replace(product, category=None) for product in facts.products),
        )
    )
    return replace(
        facts,
        transactions=tuple(hidden(line, *columns) for line in facts.transactions),
        products=kinds,
        contacts=tuple(each for each in facts.contacts if each.contact_date >= contacts.date()),
        responses=tuple(each for each in facts.responses if each.response_date >= responses.date()),
    )


def broken_lines(outline: Outline, random: Random) -> list[Line]:
    """Lines that belong to nobody or miss what a line must have; they count nowhere."""
    moment = datetime.combine(HISTORY_START, time(9)) + random.randint(-50, outline.days) * timedelta(days=1)
    good = Line(1, "B1", moment, Decimal("1000.00"), "P1", Decimal(1000))
    return [
        replace(good, customer_id=outline.customers + 1),
        replace(good, customer_id=None),
        replace(good, order_id=None),
        replace(good, ordered_at=None),
        replace(good, net_amount=None),
    ]


# --- Late, corrected and deleted rows ----------------------------------------

AMENDMENTS = (
    "late line",
    "late first order",
    "line deleted",
    "day deleted",
    "amount corrected",
    "units corrected",
    "discount corrected",
    "product corrected",
    "line given to another customer",
    "order split in two",
    "order cancelled",
    "order begun the day before",
    "order begun by another customer",
    "order given back",
    "line found to be a return",
    "product moved to another category",
    "customer closed in the past",
    "customer opened again",
    "customer deleted",
    "customer erased",
    "customer merged into another",
    "customer delivered late",
    "customer delivered again",
    "attributes corrected",
    "contact delivered late",
    "response delivered late",
)


def amend(facts: Facts, kind: str, published: date, random: Random) -> Facts:
    """The facts after one amendment of something before or on the last published day."""
    known = {each.customer_id for each in facts.customers if not each.closed_date or each.closed_date > published}
    past = [line for line in facts.transactions if line.ordered_at and line.ordered_at.date() <= published]
    recent = [
        line
        for line in past
        if line.customer_id in known
        and line.order_id
        and line.net_amount is not None
        and line.ordered_at
        and line.order_status is None
        and line.ordered_at.date() > published - 300 * ONE_DAY
    ]
    line = random.choice(recent)
    customer = random.choice(facts.customers)
    early = datetime.combine(published - random.randint(0, 40) * ONE_DAY, time(8))
    late = Line(customer.customer_id, f"L{random.randrange(10**9)}", early, Decimal("4.00"), "P5")

    def with_lines(*new: Line, without: Sequence[Line] = ()) -> Facts:
        kept = list(facts.transactions)
        for old in without:
            kept.remove(old)
        return replace(facts, transactions=(*kept, *new))

    def with_customer(new: Customer) -> Facts:
        kept = (other for other in facts.customers if other.customer_id != new.customer_id)
        return replace(facts, customers=(*kept, new))

    if kind == "late line":
        return with_lines(late)
    if kind == "late first order":
        return with_lines(replace(late, ordered_at=early - 300 * ONE_DAY))
    if kind == "line deleted":
        return with_lines(without=[line])
    if kind == "day deleted":
        assert line.ordered_at
        day = line.ordered_at.date()
        return with_lines(without=[each for each in past if each.ordered_at and each.ordered_at.date() == day])
    if kind == "amount corrected":
        assert line.net_amount is not None
        return with_lines(replace(line, net_amount=line.net_amount + 1), without=[line])
    if kind == "units corrected":
        return with_lines(replace(line, units=Decimal("7.5"), is_return=False), without=[line])
    if kind == "discount corrected":
        return with_lines(replace(line, discount_amount=Decimal("5.00"), is_return=False), without=[line])
    if kind == "product corrected":
        line = random.choice(
            [each for each in recent if each.is_return is None and min(each.net_amount, each.units or 1) > 0]
        )
        product_id = "P5" if line.product_id != "P5" else "P4"
        return with_lines(replace(line, product_id=product_id), without=[line])
    if kind == "line given to another customer":
        others = [other.customer_id for other in facts.customers if other.customer_id != line.customer_id]
        return with_lines(replace(line, customer_id=random.choice(others), order_id=late.order_id), without=[line])
    if kind == "order split in two":
        orders = [each.order_id for each in recent]
        line = random.choice([each for each in recent if orders.count(each.order_id) > 1])
        return with_lines(replace(line, order_id=late.order_id), without=[line])
    if kind == "order cancelled":
        order = [each for each in past if each.order_id == line.order_id]
        return with_lines(*(replace(each, order_status="CANCELED") for each in order), without=order)
    if kind.startswith("order begun"):
        assert line.ordered_at
        first = replace(line, ordered_at=line.ordered_at - ONE_DAY, is_return=False)
        if kind == "order begun by another customer":
            first = replace(first, customer_id=random.choice(sorted(known - {line.customer_id})))
        return with_lines(first)
    if kind == "order given back":
        assert line.net_amount is not None
        return with_lines(replace(line, net_amount=-abs(line.net_amount) - 1, is_return=None, ordered_at=early))
    if kind == "line found to be a return":
        sale = random.choice([each for each in recent if each.is_return is None])
        return with_lines(replace(sale, is_return=True, net_amount=Decimal("-4.00")), without=[sale])
    if kind == "product moved to another category":
        return replace(facts, products=(replace(facts.products[0], category="pastry"), *facts.products[1:]))
    if kind == "customer closed in the past":
        return with_customer(replace(customer, closed_date=published - 5 * ONE_DAY))
    if kind == "customer opened again":
        closed = [each for each in facts.customers if each.closed_date and each.closed_date <= published]
        return with_customer(replace(random.choice(closed or [customer]), closed_date=None))
    if kind == "attributes corrected":
        return with_customer(
            replace(customer, household_composition=random.choice(COMPOSITIONS), age_band=random.choice(AGES))
        )
    if kind == "customer deleted":
        return replace(facts, customers=tuple(each for each in facts.customers if each != customer))
    if kind == "customer erased":
        erased = with_lines(without=[each for each in facts.transactions if each.customer_id == customer.customer_id])
        return replace(erased, customers=tuple(each for each in facts.customers if each != customer))
    if kind == "customer merged into another":
        into = random.choice([each for each in facts.customers if each != customer])
        merged = [each for each in facts.transactions if each.customer_id == customer.customer_id]
        given = with_lines(*(replace(each, customer_id=into.customer_id) for each in merged), without=merged)
        return replace(given, customers=tuple(each for each in facts.customers if each != customer))
    if kind == "customer delivered again":
        # Somebody of whom there are lines: they were deleted earlier, or never came.
        gone = (
            {each.customer_id for each in facts.transactions} - {each.customer_id for each in facts.customers} - {None}
        )
        if not gone:
            return facts
        back = Customer(random.choice(sorted(gone)), first_seen_date=HISTORY_START)
        return replace(facts, customers=(*facts.customers, back))
    if kind == "customer delivered late":
        newcomer = replace(customer, customer_id=1000 + random.randrange(1000), closed_date=None)
        return replace(
            with_lines(replace(late, customer_id=newcomer.customer_id)), customers=(*facts.customers, newcomer)
        )
    campaign = facts.campaigns[0].campaign_id
    if kind == "contact delivered late":
        return replace(facts, contacts=(*facts.contacts, Contact(customer.customer_id, campaign, early.date())))
    assert kind == "response delivered late"
    response = Response(customer.customer_id, campaign, "X2", early.date())
    return replace(facts, responses=(*facts.responses, response, response))


# --- Files -------------------------------------------------------------------


def write_files(facts: Facts, folder: Path) -> None:
    """The facts as the CSV files of the `files` source."""
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, Sequence[Any]] = {
        "customers": facts.customers,
        "transactions": facts.transactions,
        "products": facts.products,
        "campaigns": facts.campaigns,
        "contacts": facts.contacts,
        "responses": facts.responses,
    }
    for name, rows in tables.items():
        path = folder / f"{name}.csv"
        if not rows:
            path.unlink(missing_ok=True)
            continue
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(asdict(rows[0])))
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)

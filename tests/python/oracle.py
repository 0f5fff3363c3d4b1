"""What the marts must say, worked out slowly and in plain sight from the definitions in the docs.

Nothing here is shared with the models: no SQL, no set logic over windows, no incremental state. Features are computed
per customer and day from the lines themselves, rules are read from the segmentations' YAML by a parser of its own, and
history is the list of days one after another. Amounts, units and shares are fractions, so nothing is rounded.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import floor
from pathlib import Path
from typing import Any

import yaml

ONE_DAY = timedelta(days=1)
OPEN = date(9999, 12, 31)
WINDOWS = (7, 30, 90, 365)
CANCELLED = ("cancelled", "canceled", "voided", "void", "failed", "declined")
ATTRIBUTES = (
    "customer_type",
    "age_band",
    "income_band",
    "household_size",
    "household_composition",
    "home_ownership",
    "marital_status",
    "kids_count",
)

Row = dict[str, Any]
Features = dict[int, Row]
Rule = str | dict[str, Any]


# --- Facts -------------------------------------------------------------------


@dataclass(frozen=True)
class Customer:
    """A row of customers."""

    customer_id: int
    first_seen_date: date | None = None
    closed_date: date | None = None
    customer_type: str | None = None
    age_band: str | None = None
    income_band: str | None = None
    household_size: str | None = None
    household_composition: str | None = None
    home_ownership: str | None = None
    marital_status: str | None = None
    kids_count: str | None = None


@dataclass(frozen=True)
class Line:
    """A row of transactions."""

    customer_id: int | None
    order_id: str | None
    ordered_at: datetime | None
    net_amount: Decimal | None
    product_id: str | None = None
    units: Decimal | None = None
    discount_amount: Decimal | None = None
    coupon_amount: Decimal | None = None
    is_return: bool | None = None
    order_status: str | None = None


@dataclass(frozen=True)
class Product:
    """A row of products."""

    product_id: str
    category: str | None
    is_private_label: bool | None = None


@dataclass(frozen=True)
class Campaign:
    """A row of campaigns."""

    campaign_id: str
    start_date: date


@dataclass(frozen=True)
class Contact:
    """A row of contacts."""

    customer_id: int
    campaign_id: str
    contact_date: date


@dataclass(frozen=True)
class Response:
    """A row of responses."""

    customer_id: int
    campaign_id: str
    offer_id: str
    response_date: date


@dataclass(frozen=True)
class Facts:
    """Everything that the sources deliver."""

    customers: tuple[Customer, ...]
    transactions: tuple[Line, ...]
    products: tuple[Product, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    contacts: tuple[Contact, ...] = ()
    responses: tuple[Response, ...] = ()


# --- Features ----------------------------------------------------------------


def total(amounts: Iterable[Decimal | None]) -> Fraction:
    """What amounts come to, exactly; a missing one is nothing."""
    return sum((Fraction(amount or 0) for amount in amounts), Fraction(0))


def in_cents(amount: Fraction) -> Fraction:
    """An amount rounded to cents, half a cent away from zero."""
    cents = Fraction(floor(abs(amount) * 100 + Fraction(1, 2)), 100)
    return -cents if amount < 0 else cents


def quantile_disc(values: Sequence[Any], percent: int) -> Any:
    """The smallest value whose cumulative share is at least so many percent; None of no values."""
    ordered = sorted(values)
    for count, value in enumerate(ordered, start=1):
        if 100 * count >= percent * len(ordered):
            return value
    return None


def median(values: Sequence[int]) -> Fraction | None:
    """The middle value, or the middle between the two middle ones."""
    ordered = sorted(values)
    if not ordered:
        return None
    middle = len(ordered) // 2
    return Fraction(ordered[middle]) if len(ordered) % 2 else Fraction(ordered[middle - 1] + ordered[middle], 2)


def share(part: Fraction, whole: Fraction) -> Fraction | None:
    """A part of a whole; None where the whole is nothing."""
    return Fraction(part) / whole if whole else None


def is_return(line: Line) -> bool:
    """Whether a line is a return: where nobody says so, its sign does."""
    if line.is_return is not None:
        return line.is_return
    return (line.net_amount or 0) < 0 or (line.units or 0) < 0


def lines_that_count(facts: Facts, day: date) -> list[Line]:
    """The lines up to a day that are whole, not cancelled, and of a known customer whose order it is."""
    known = {customer.customer_id for customer in facts.customers}
    cancelled = {line.order_id for line in facts.transactions if (line.order_status or "").strip().lower() in CANCELLED}
    good = [
        line
        for line in facts.transactions
        if line.order_id
        and line.ordered_at is not None
        and line.ordered_at.date() <= day
        and line.net_amount is not None
        and line.customer_id in known
        and line.order_id not in cancelled
    ]
    owners: dict[str | None, tuple[datetime | None, int | None]] = {}
    for line in good:
        owners[line.order_id] = min(owners.get(line.order_id, (datetime.max, 0)), (line.ordered_at, line.customer_id))
    return [line for line in good if owners[line.order_id][1] == line.customer_id]


def first_days(lines: Iterable[Line]) -> dict[str | None, date]:
    """The first day of every order, over the lines that are given."""
    days: dict[str | None, date] = {}
    for line in lines:
        if line.ordered_at:
            days[line.order_id] = min(days.get(line.order_id, OPEN), line.ordered_at.date())
    return days


def features_of_day(facts: Facts, day: date) -> Features:
    """Every feature of every customer known at the end of a day."""
    products = {product.product_id: product for product in facts.products}
    lines: dict[int, list[Line]] = {customer.customer_id: [] for customer in facts.customers}
    for line in lines_that_count(facts, day):
        assert line.customer_id is not None
        lines[line.customer_id].append(line)
    delivered = _delivered_by(day, facts, lines, products)
    features: Features = {}
    for customer in facts.customers:
        contacts = [row.contact_date for row in facts.contacts if row.customer_id == customer.customer_id]
        responses = [row.response_date for row in facts.responses if row.customer_id == customer.customer_id]
        row = _features_of_customer(customer, lines[customer.customer_id], products, contacts, responses, day)
        if row is not None:
            row |= {feature: None for feature, is_known in delivered.items() if not is_known}
            features[customer.customer_id] = row
    _add_scores(features)
    return features


def _delivered_by(
    day: date, facts: Facts, lines: dict[int, list[Line]], products: dict[str, Product]
) -> dict[str, bool]:
    """Whether somebody had delivered by a day what a feature rests on, for the features that rest on something."""
    known = [line for of_customer in lines.values() for line in of_customer]
    sales = [line for line in known if not is_return(line)]
    discounts = any(line.discount_amount is not None for line in sales)
    categories = any(products[line.product_id].category is not None for line in known if line.product_id in products)
    labels = [products[line.product_id].is_private_label for line in sales if line.product_id in products]
    return {
        **{f"discounts_{n}d": discounts for n in WINDOWS},
        "discount_share_365d": discounts,
        "coupon_share_365d": any(line.coupon_amount is not None for line in sales),
        "private_label_share_365d": any(label is not None for label in labels),
        "categories_365d": categories,
        "contacts_365d": any(contact.contact_date <= day for contact in facts.contacts),
        "responses_365d": any(response.response_date <= day for response in facts.responses),
    }


def _features_of_customer(
    customer: Customer,
    lines: Sequence[Line],
    products: dict[str, Product],
    contacts: Sequence[date],
    responses: Sequence[date],
    day: date,
) -> Row | None:
    orders = first_days(line for line in lines if not is_return(line))
    order_days = sorted(set(orders.values()))
    # Of whom no source says since when they are known, the first order does; without any they are not known yet.
    first_seen = min([*filter(None, [customer.first_seen_date]), *order_days], default=None)
    if first_seen is None or first_seen > day or (customer.closed_date is not None and customer.closed_date <= day):
        return None
    past_responses = [response for response in responses if response <= day]

    row: Row = {"as_of_date": day, "customer_id": customer.customer_id}
    row["first_seen_date"] = first_seen
    row["first_order_date"] = order_days[0] if order_days else None
    row["last_order_date"] = order_days[-1] if order_days else None
    row["last_response_date"] = max(past_responses, default=None)
    for age, of in {
        "tenure_days": "first_seen_date",
        "days_since_last_order": "last_order_date",
        "days_since_first_order": "first_order_date",
        "days_since_last_response": "last_response_date",
    }.items():
        row[age] = (day - row[of]).days if row[of] else None
    row["orders_lifetime"] = len(orders)
    row["net_sales_lifetime"] = total(line.net_amount for line in lines)

    def within(days: int) -> list[Line]:
        return [line for line in lines if line.ordered_at and 0 <= (day - line.ordered_at.date()).days < days]

    for n in WINDOWS:
        sales = [line for line in within(n) if not is_return(line)]
        row[f"orders_{n}d"] = len([each for each in orders.values() if (day - each).days < n])
        row[f"returns_{n}d"] = len({line.order_id for line in within(n) if is_return(line)})
        row[f"units_{n}d"] = total(Decimal(1) if line.units is None else line.units for line in sales)
        row[f"net_sales_{n}d"] = total(line.net_amount for line in within(n))
        row[f"discounts_{n}d"] = total(line.discount_amount for line in sales)
        row[f"active_days_{n}d"] = len([each for each in order_days if (day - each).days < n])

    year = [line for line in within(365) if not is_return(line)]
    net = total(line.net_amount for line in year)
    discount = total(line.discount_amount for line in year)
    row["average_order_value_365d"] = share(net, row["orders_365d"])
    row["discount_share_365d"] = share(discount, net + discount)
    row["coupon_share_365d"] = share(total(line.coupon_amount for line in year), net)
    row["return_share_365d"] = share(-total(line.net_amount for line in within(365) if is_return(line)), net)
    own_brand = [line for line in year if line.product_id in products and products[line.product_id].is_private_label]
    row["private_label_share_365d"] = share(total(line.net_amount for line in own_brand), net)

    pauses = [(later - earlier).days for earlier, later in pairwise(order_days)]
    row["median_days_between_orders"] = median(pauses)
    row["longest_pause_90d"] = max(
        (pause for pause, ended in zip(pauses, order_days[1:], strict=True) if (day - ended).days < 90), default=None
    )

    by_category: dict[str, Fraction] = {}
    for line in year:
        category = products[line.product_id].category if line.product_id in products else None
        if category is not None:
            by_category[category] = by_category.get(category, Fraction(0)) + Fraction(line.net_amount or 0)
    top = min(by_category, key=lambda category: (-by_category[category], category), default=None)
    row["categories_365d"] = len(by_category)
    row["top_category_365d"] = top
    row["top_category_share_365d"] = share(by_category[top], net) if top is not None else None

    row["contacts_365d"] = len([contact for contact in contacts if 0 <= (day - contact).days < 365])
    row["responses_365d"] = len([response for response in past_responses if (day - response).days < 365])
    for attribute in ATTRIBUTES:
        row[attribute] = getattr(customer, attribute)
    return row


def _add_scores(features: Features) -> None:
    buyers = [row for row in features.values() if row["orders_365d"] > 0]
    for score, feature in {
        "recency_score": "last_order_date",
        "frequency_score": "orders_365d",
        "monetary_score": "net_sales_365d",
    }.items():
        cuts = [quantile_disc([row[feature] for row in buyers], percent) for percent in (20, 40, 60, 80)]
        for row in features.values():
            row[score] = 1 + sum(cut < row[feature] for cut in cuts) if row["orders_365d"] > 0 else None


# --- Segmentations -----------------------------------------------------------


@dataclass(frozen=True)
class Segmentation:
    """A segmentation as its YAML has it; the last segment's rule is None. Challengers have no column of customers.

    Moves into an immediate segment count at once.
    """

    name: str
    confirm_days: int
    segments: tuple[tuple[str, Rule | None], ...]
    is_active: bool = True
    immediate: frozenset[str] = frozenset()


def read_segmentations(root: Path) -> list[Segmentation]:
    """The segmentations whose history the project keeps, in their order."""
    found = []
    for path in sorted((root / "models" / "segmentations").glob("seg_*.yml")):
        definition = yaml.safe_load(path.read_text())
        if definition.get("status") != "retired":
            found.append(
                Segmentation(
                    name=path.stem,
                    confirm_days=definition.get("confirm_days", 1),
                    segments=tuple((segment["name"], segment.get("rule")) for segment in definition["segments"]),
                    is_active=definition.get("status", "active") == "active",
                    immediate=frozenset(each["name"] for each in definition["segments"] if each.get("immediate")),
                )
            )
    return found


def segments_of_day(features: Features, segmentation: Segmentation) -> dict[int, str]:
    """The first segment whose rule holds, for every customer known on a day."""
    segments = {}
    for customer_id, row in features.items():
        for name, rule in segmentation.segments:
            if rule is None or rule_holds(rule, row, features):
                segments[customer_id] = name
                break
    return segments


def rule_holds(rule: Rule, row: Row, population: Features) -> bool:
    """Whether a rule, a clause or a tree of all, any and not, holds for a customer."""
    if isinstance(rule, str):
        return clause_holds(rule, row, population)
    ((key, parts),) = rule.items()
    if key == "not":
        return not rule_holds(parts, row, population)
    held = [rule_holds(part, row, population) for part in parts]
    return {"all": all, "any": any}[key](held)


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    "<": lambda value, wanted: value < wanted,
    "<=": lambda value, wanted: value <= wanted,
    ">": lambda value, wanted: value > wanted,
    ">=": lambda value, wanted: value >= wanted,
}


def clause_holds(clause: str, row: Row, population: Features) -> bool:
    """Whether `feature operator value` holds for a customer; it never does for a missing value, but with is null."""
    feature, rest = clause.split(maxsplit=1)
    value = row[feature]
    if rest in ("is null", "is not null"):
        return (value is None) == (rest == "is null")
    if value is None:
        return False
    for word in ("not in", "in", "between"):
        if rest.startswith(f"{word} "):
            operand = rest.removeprefix(word).strip()
            if word == "between":
                low, high = (read_value(text, value) for text in operand.split(" and "))
                return low <= value <= high
            listed = [read_value(text, value) for text in split_list(operand)]
            return (value in listed) == (word == "in")
    operator, operand = rest.split(maxsplit=1)
    if operand[0] == "p" and operand[1:].isdigit():
        everybody = [other[feature] for other in population.values() if other[feature] is not None]
        return COMPARISONS[operator](value, quantile_disc(everybody, int(operand[1:])))
    return COMPARISONS[operator](value, read_value(operand, value))


def split_list(text: str) -> list[str]:
    """The items of `(a, 'b, c')`."""
    items, quoted = [""], False
    for letter in text.strip()[1:-1]:
        quoted = quoted != (letter == "'")
        if letter == "," and not quoted:
            items.append("")
        else:
            items[-1] += letter
    return items


def read_value(text: str, like: Any) -> Any:
    """A value of a clause, of the kind of the feature's own value."""
    text = text.strip()
    if isinstance(like, bool):
        return text == "true"
    if isinstance(like, date):
        return date.fromisoformat(text)
    if isinstance(like, str):
        return text[1:-1] if text.startswith("'") else text
    return Fraction(text)


# --- History -----------------------------------------------------------------


@dataclass
class PublishedDay:
    """What a run found for a day: the features, and the segment by the rules alone, by segmentation and customer."""

    features: Features
    rules_say: dict[str, dict[int, str]]


@dataclass
class History:
    """The days that runs have published, and everything that follows from them.

    Attributes:
        segmentations: whose history is kept.
        days: what was published, by day.
        effective: the segment that counts, by segmentation, day and customer.
    """

    segmentations: Sequence[Segmentation]
    days: dict[date, PublishedDay] = field(default_factory=dict)
    effective: dict[str, dict[date, dict[int, str]]] = field(default_factory=dict)

    def run(self, facts: Facts, first: date, last: date) -> None:
        """Publish the days from first to last on these facts, forgetting what was said of first and later."""
        self.days = {day: published for day, published in self.days.items() if day < first}
        for day in days_between(first, last):
            features = features_of_day(facts, day)
            rules_say = {each.name: segments_of_day(features, each) for each in self.segmentations}
            self.days[day] = PublishedDay(features, rules_say)
        self.settle()

    def until(self, last: date) -> "History":
        """The same history, up to and including a day."""
        days = {day: published for day, published in self.days.items() if day <= last}
        history = History(self.segmentations, days)
        history.settle()
        return history

    def settle(self) -> None:
        """Find out which moves count."""
        self.effective = {each.name: self._effective(each) for each in self.segmentations}

    @property
    def last(self) -> date:
        """The as-of date."""
        return max(self.days)

    def _effective(self, segmentation: Segmentation) -> dict[date, dict[int, str]]:
        """The segment that counts, by day and customer: a move counts once it has held for confirm_days days."""
        effective: dict[date, dict[int, str]] = {}
        for day in sorted(self.days):
            effective[day] = {}
            before = effective.get(day - ONE_DAY, {})
            for customer_id, segment in self.days[day].rules_say[segmentation.name].items():
                confirm_days = 1 if segment in segmentation.immediate else segmentation.confirm_days
                last_days = [day - n * ONE_DAY for n in range(confirm_days)]
                held = all(
                    each in self.days and self.days[each].rules_say[segmentation.name].get(customer_id) == segment
                    for each in last_days
                )
                joins = customer_id not in before
                effective[day][customer_id] = segment if joins or held else before[customer_id]
        return effective

    def entries(self, of_days: dict[date, dict[int, str]]) -> Iterator[tuple[date, int, str | None, str]]:
        """Day, customer, segment before and segment of every change; None is never, (left) is not any more."""
        known: set[int] = set()
        for day in sorted(of_days):
            before = of_days.get(day - ONE_DAY, {})
            for customer_id in sorted(of_days[day].keys() | before.keys()):
                segment = of_days[day].get(customer_id, "(left)")
                previous = before.get(customer_id, "(left)" if customer_id in known else None)
                if segment != previous:
                    yield day, customer_id, previous, segment
            known |= of_days[day].keys()

    # --- Marts

    def raw_moves(self) -> list[Row]:
        """The moves that the rules alone give; for who joins or comes back there is no segment before."""
        return [
            {
                "customer_id": customer_id,
                "segmentation": each.name,
                "entered_on": day,
                "segment": segment,
                "previous_segment": None if previous == "(left)" else previous,
            }
            for each in self.segmentations
            for day, customer_id, previous, segment in self.entries(
                {day: published.rules_say[each.name] for day, published in self.days.items()}
            )
        ]

    def confirmed_moves(self) -> list[Row]:
        """The moves that count."""
        return [
            {
                "customer_id": customer_id,
                "segmentation": each.name,
                "entered_on": day,
                "segment": segment,
                "previous_segment": previous,
            }
            for each in self.segmentations
            for day, customer_id, previous, segment in self.entries(self.effective[each.name])
        ]

    def fct_customer_features(self) -> list[Row]:
        """Every feature at the as-of date."""
        return list(self.days[self.last].features.values())

    def fct_segment_spells(self) -> list[Row]:
        """The days that customers spent in a segment without a break."""
        spells: list[Row] = []
        latest: dict[tuple[str, int], Row] = {}
        for move in self.confirmed_moves():
            key = move["segmentation"], move["customer_id"]
            if key in latest and latest[key]["is_current"]:
                ended = latest[key]
                ended |= {"next_segment": move["segment"], "valid_to": move["entered_on"], "is_current": False}
                ended["days"] = (ended["valid_to"] - ended["valid_from"]).days
            if move["segment"] != "(left)":
                latest[key] = {
                    "customer_id": move["customer_id"],
                    "segmentation": move["segmentation"],
                    "segment": move["segment"],
                    "previous_segment": move["previous_segment"],
                    "next_segment": None,
                    "valid_from": move["entered_on"],
                    "valid_to": OPEN,
                    "is_current": True,
                    "days": (self.last - move["entered_on"]).days + 1,
                }
                spells.append(latest[key])
        return spells

    def customer_segments(self) -> list[Row]:
        """Where every customer is at the as-of date."""
        return [
            {
                "customer_id": spell["customer_id"],
                "segmentation": spell["segmentation"],
                "segment": spell["segment"],
                "previous_segment": spell["previous_segment"],
                "entered_on": spell["valid_from"],
                "days_in_segment": spell["days"] - 1,
                "as_of_date": self.last,
            }
            for spell in self.fct_segment_spells()
            if spell["is_current"]
        ]

    def dim_customers(self) -> list[Row]:
        """The customers known at the as-of date."""
        rows = []
        for customer_id, features in self.days[self.last].features.items():
            row = {name: features[name] for name in ("customer_id", "first_seen_date", *ATTRIBUTES)}
            row |= {
                each.name: self.effective[each.name][self.last][customer_id]
                for each in self.segmentations
                if each.is_active
            }
            rows.append(row)
        return rows

    def fct_segment_daily(self) -> list[Row]:
        """Sizes, moves and sales by day, segmentation and segment, empty segments included."""
        rows = []
        moves = self.confirmed_moves()
        for each in self.segmentations:
            own_moves = [move for move in moves if move["segmentation"] == each.name]
            for day, published in self.days.items():
                of_day = self.effective[each.name][day]
                todays = [move for move in own_moves if move["entered_on"] == day]
                for segment, _ in each.segments:
                    members = [customer_id for customer_id in of_day if of_day[customer_id] == segment]
                    entered = [move for move in todays if move["segment"] == segment]
                    exited = [move for move in todays if move["previous_segment"] == segment]
                    rows.append(
                        {
                            "as_of_date": day,
                            "segmentation": each.name,
                            "segment": segment,
                            "customers": len(members),
                            "entered": len(entered),
                            "exited": len(exited),
                            "joined": len([move for move in entered if move["previous_segment"] is None]),
                            "left": len([move for move in exited if move["segment"] == "(left)"]),
                            "net_sales_30d": sum(
                                (published.features[member]["net_sales_30d"] for member in members), Fraction(0)
                            ),
                            "orders_30d": sum(published.features[member]["orders_30d"] for member in members),
                        }
                    )
        return rows

    def fct_segment_migrations(self) -> list[Row]:
        """The end of the day before a period against the end of the period, or the as-of date while it lasts."""
        counts: dict[tuple[str, date, date, str, str, str], int] = {}
        periods = sorted({period for day in self.days for period in periods_of(day)})
        for period, start, end in periods:
            for each in self.segmentations:
                before = self.effective[each.name].get(start - ONE_DAY, {})
                after = self.effective[each.name][min(end, self.last)]
                for customer_id in before.keys() | after.keys():
                    moved = before.get(customer_id, "(new)"), after.get(customer_id, "(left)")
                    key = (period, start, end, each.name, *moved)
                    counts[key] = counts.get(key, 0) + 1
        names = ("period", "period_start", "period_end", "segmentation", "from_segment", "to_segment")
        return [dict(zip(names, key, strict=True)) | {"customers": count} for key, count in counts.items()]


def days_between(first: date, last: date) -> list[date]:
    """Every day from first to last, both included."""
    return [first + n * ONE_DAY for n in range((last - first).days + 1)]


def periods_of(day: date) -> Iterator[tuple[str, date, date]]:
    """The day, the week from Monday and the month that a day lies in, each with its first and last day."""
    yield "day", day, day
    monday = day - day.weekday() * ONE_DAY
    yield "week", monday, monday + 6 * ONE_DAY
    next_month = (day.replace(day=28) + 4 * ONE_DAY).replace(day=1)
    yield "month", day.replace(day=1), next_month - ONE_DAY

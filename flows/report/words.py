"""Words and figures as people write them, and what changed since an earlier day."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import pandas as pd

from flows.report.marts import LEFT, NEW, Marts

# Features that are called otherwise than their names read.
FEATURES = {"tenure_days": "days known"}


def day(value: date) -> str:
    """A day for people, such as 31 December 2017."""
    return f"{value.day} {value:%B %Y}"


def short_day(value: date) -> str:
    """A day for tables, such as 31 Dec 2017."""
    return f"{value.day} {value:%b %Y}"


def span(first: date, last: date) -> str:
    """Two days for people, such as 30 November to 31 December 2017."""
    if first == last:
        return day(last)
    return f"{first.day} {first:%B} to {day(last)}" if first.year == last.year else f"{day(first)} to {day(last)}"


def plural(number: int, noun: str) -> str:
    """The noun that goes with a number: customer or customers."""
    return noun if number == 1 else f"{noun}s"


def count(number: int, noun: str) -> str:
    """A number with its noun: 1 customer, 2,469 customers."""
    return f"{number:,} {plural(number, noun)}"


def figure(value: float) -> str:
    """A number with at least three digits that say something: 12,345, 96.9, 0.0412; whole ones as they are."""
    if pd.isna(value):
        return "–"
    digits = 0 if float(value).is_integer() else max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}".replace("-", "−")


def apart(value: float, other: float) -> tuple[str, str]:
    """Two numbers with as many digits as one reads, and with as many as their difference needs."""
    largest, difference = max(abs(value), abs(other)), abs(value - other)
    digits = 0 if largest >= 100 else 1 if largest >= 10 else 2
    if difference:
        digits = max(digits, min(math.ceil(-math.log10(difference)), 6))
    first, second = (f"{number:,.{digits}f}".replace("-", "−") for number in (value, other))
    return first, second


def feature(name: str) -> str:
    """What people call a feature: orders in 30 days."""
    name = re.sub(r"_(\d+)d$", lambda days: f" in {count(int(days[1]), 'day')}", name)
    return FEATURES.get(name) or re.sub("_lifetime$", " so far", name).replace("_", " ")


def category(name: str) -> str:
    """A category of products; one that is delivered in capitals in small letters."""
    return " ".join((name.lower() if name.isupper() else name).split())


def prose(text: str, categories: Iterable[str] = ()) -> str:
    """A text of a mart with thousands set apart and categories as `category` writes them."""
    # The longest first: FROZEN MEAT is a part of FROZEN MEAT DINNERS.
    for name in sorted(categories, key=len, reverse=True):
        text = text.replace(name, category(name))
    return re.sub(r"(?<![\w.,-])\d{4,}(?![\w-])", lambda digits: f"{int(digits[0]):,}", text)


def signed(number: int) -> str:
    """A change for people, with a true minus sign."""
    return "±0" if number == 0 else f"{number:+,}".replace("-", "−")


@dataclass(frozen=True)
class Change:
    """What changed in one segmentation.

    Attributes:
        title: the segmentation's label.
        anchor: its name, which its section has as id.
        sentences: what to say.
    """

    title: str
    anchor: str
    sentences: list[str]


def population(marts: Marts, since: date) -> str:
    """How many customers are known, came and went since a day."""
    name = marts.segmentations["segmentation"].iloc[0]
    known = int(marts.sizes_on(name, marts.as_of).sum())
    moves = marts.moves("day", since)
    moves = moves[moves["segmentation"] == name]
    joined = int(moves.loc[moves["from_segment"] == NEW, "customers"].sum())
    left = int(moves.loc[moves["to_segment"] == LEFT, "customers"].sum())
    parts = [text for number, text in ((joined, f"{joined:,} joined"), (left, f"{left:,} left")) if number]
    return f"{count(known, 'customer')} are known; " + (" and ".join(parts) if parts else "nobody joined or left") + "."


def changes(marts: Marts, since: date) -> list[Change]:
    """Per active segmentation: how many moved, which segments grew and shrank most, the largest flow, new rules."""
    moves = marts.moves("day", since)
    inner = moves[
        (moves["from_segment"] != moves["to_segment"]) & (moves["from_segment"] != NEW) & (moves["to_segment"] != LEFT)
    ]
    versions = marts.table("dim_segmentations")
    told = []
    for segmentation in marts.segmentations.itertuples():
        name = segmentation.segmentation
        now, before = marts.sizes_on(name, marts.as_of), marts.sizes_on(name, since)
        difference = now.sub(before, fill_value=0).astype(int)
        own = inner[inner["segmentation"] == name]
        sentences = [_moved(own, now, marts, name), *_extremes(difference, now, before, marts, name)]
        newer = versions[
            (versions["segmentation"] == name) & (pd.to_datetime(versions["first_as_of_date"]).dt.date > since)
        ]
        sentences += [
            f"New rules (version {version.rule_version}) are in force since {day(version.first_as_of_date.date())}."
            for version in newer.itertuples()
        ]
        told.append(Change(segmentation.label, name, sentences))
    return told


def _moved(moves: pd.DataFrame, now: pd.Series, marts: Marts, name: str) -> str:
    total = int(moves["customers"].sum())
    if not total:
        return "Nobody moved."
    ways = moves.groupby(["from_segment", "to_segment"])["customers"].sum().reset_index()
    busiest = ways.sort_values(["customers", "from_segment", "to_segment"], ascending=[False, True, True]).iloc[0]
    return (
        f"{count(total, 'move')} among {count(int(now.sum()), 'customer')}; the largest flow was "
        f"{marts.labels[name, busiest.from_segment]} → {marts.labels[name, busiest.to_segment]} "
        f"with {int(busiest.customers):,}."
    )


def _extremes(difference: pd.Series, now: pd.Series, before: pd.Series, marts: Marts, name: str) -> list[str]:
    if before.empty or not difference.any():
        return ["All segments are as large as before."] if not before.empty else []
    ordered = difference.sort_index().sort_values(kind="stable")
    told = []
    for verb, segment in (("grew", ordered.index[-1]), ("shrank", ordered.index[0])):
        change = int(ordered[segment])
        if (change > 0) == (verb == "grew") and change:
            share = f" ({change / before[segment]:+.1%})".replace("-", "−") if before.get(segment, 0) else ""
            told.append(
                f"{marts.labels[name, segment]} {verb} most, by {abs(change):,} to {int(now.get(segment, 0)):,}{share}."
            )
    return told

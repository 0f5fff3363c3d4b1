"""Says in words what changed since an earlier day."""

from dataclasses import dataclass
from datetime import date

import pandas as pd

from flows.report.marts import LEFT, NEW, Marts


def day(value: date) -> str:
    """A day for people, such as 31 December 2017."""
    return f"{value.day} {value:%B %Y}"


def short_day(value: date) -> str:
    """A day for tables, such as 31 Dec 2017."""
    return f"{value.day} {value:%b %Y}"


def count(number: int, noun: str) -> str:
    """A number with its noun: 1 customer, 2,469 customers."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


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
    """Per active segmentation: how many moved, which segments grew and shrank most, the busiest way, new rules."""
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
        f"{count(total, 'move')} among {count(int(now.sum()), 'customer')}; the busiest way was "
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

"""The distribution of features over groups of customers: number of values, mean, deviation and quartiles.

A few columns are fetched at a time, and put into the order of the groups once per division of the customers; then a
group is a slice of a column. In SQL a database keeps every value of every feature for the quartiles of every group, in
memory that its limit does not count.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

# Columns at a time.
COLUMNS = 8
# The group of all customers, in a division of its own.
ALL = "(all)"

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("segmentation", "segment", "feature")),
        *((name, pa.int64()) for name in ("customers", "customers_with_value")),
        *((name, pa.float64()) for name in ("mean", "deviation", "lower_quartile", "median", "upper_quartile")),
    ]
)


@dataclass(frozen=True)
class Division:
    """The customers in the order of their segments in one segmentation.

    Attributes:
        segmentation: its name.
        segments: the names of its segments, in order.
        order: positions of customers; those in no segment are left out.
        ends: where the slice of each segment ends.
    """

    segmentation: str
    segments: Sequence[str]
    order: Ints
    ends: Ints

    def slices(self) -> Iterator[tuple[str, slice]]:
        """Each segment with its place in `order`."""
        begin = 0
        for segment, end in zip(self.segments, self.ends, strict=True):
            yield segment, slice(begin, int(end))
            begin = int(end)


def divisions(combinations: Ints, segments: Mapping[str, Mapping[int, str]]) -> list[Division]:
    """One division per segmentation.

    Args:
        combinations: of every customer.
        segments: the segment that a combination has, by segmentation and combination.
    """
    found = []
    for segmentation, of_combination in sorted(segments.items()):
        names = sorted(set(of_combination.values()))
        place = {name: number for number, name in enumerate(names)}
        codes = np.full(int(combinations.max(initial=0)) + 1, len(names), dtype=np.int16)
        for combination, segment in of_combination.items():
            codes[combination] = place[segment]
        code = codes[combinations]
        order = np.argsort(code, kind="stable")
        ends = np.searchsorted(code[order], np.arange(len(names)), side="right")
        found.append(Division(segmentation, names, order[: int(ends[-1])].astype(np.int32), ends))
    return found


def distributions(
    features: Sequence[str],
    fetch: Callable[[Sequence[str]], Mapping[str, np.ndarray[Any, Any]]],
    segments: Mapping[str, Mapping[int, str]],
) -> pa.Table:
    """One row per segmentation, segment with customers and feature, and per feature one of all customers (`ALL`).

    Args:
        features: names of columns of numbers.
        fetch: gives columns of the customers by name, in the same order: `combination` and some features, which may be
            masked where there is no value.
        segments: the segment that a combination of these customers has, by segmentation and combination.
    """
    rows: list[tuple[Any, ...]] = []
    for begin in range(0, len(features), COLUMNS):
        names = features[begin : begin + COLUMNS]
        columns = fetch(["combination", *names])
        divided = divisions(np.asarray(columns["combination"]), segments)
        for feature in names:
            values = np.ma.filled(columns[feature].astype(np.float64, copy=False), np.nan)
            rows.append((ALL, ALL, feature, len(values), *summary(values)))
            for division in divided:
                ordered = values[division.order]
                for segment, place in division.slices():
                    part = ordered[place]
                    rows.append((division.segmentation, segment, feature, len(part), *summary(part)))
    return pa.table([list(column) for column in zip(*rows, strict=True)] or [[] for _ in SCHEMA], schema=SCHEMA)


def summary(values: Floats) -> tuple[int, float | None, float | None, float | None, float | None, float | None]:
    """How many values there are, their mean, deviation (of a population) and quartiles; nothing where there are none.

    Quartiles lie between two values where their place does (linear interpolation, type 7 of Hyndman and Fan, The
    American Statistician 50, 1996).
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return 0, None, None, None, None, None
    places = [(len(known) - 1) * share for share in (0.25, 0.5, 0.75)]
    around = sorted({int(edge) for place in places for edge in (np.floor(place), np.ceil(place))})
    ordered = np.partition(known, around)
    quartiles = []
    for place in places:
        lower, upper = ordered[int(np.floor(place))], ordered[int(np.ceil(place))]
        part = place - np.floor(place)
        quartiles.append(float(lower if part == 0 else lower * (1.0 - part) + upper * part))
    return len(known), float(known.mean()), float(known.std()), quartiles[0], quartiles[1], quartiles[2]

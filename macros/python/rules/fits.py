"""What rules decide of customers, how near the other segments are, and the smallest change that leads there.

All of it is arithmetic on arrays, many times cheaper here than as SQL expressions (docs/benchmarks.md). Customers come
as the columns of rule_inputs, which `inputs` writes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property, partial
from itertools import groupby, islice
from typing import Any

import numpy as np
import pyarrow as pa

from macros.python.rules.inputs import column_of, waiting_column
from macros.python.rules.tree import (
    Clause,
    Feature,
    InSegment,
    Leaf,
    Percentile,
    Rule,
    Segmentation,
    Value,
    fold,
    signed_leaves,
)

# Rows at a time: so many that calls of numpy cost little, so few that what is in between stays in the processor's
# cache.
ROWS = 32_768
# Rows of a batch of customers, and batches at a time: more threads than two wait for Python's lock.
BATCH_ROWS = 4 * ROWS
THREADS = 2
# Just on the boundary of a number with decimals a strict clause is a trifle outside.
TRIFLE = 1e-9
FARTHEST = 30.0
EPOCH = date(1970, 1, 1)
ANOTHER_VALUE = "another value"


@dataclass(frozen=True)
class Limits:
    """The numbers in rules that depend on the day.

    Attributes:
        day: the day.
        cut_points: rule_cut_points, its columns by name, by day.
        units: the robust unit of each feature in which distances are counted; 1 where it is not known.
    """

    day: date
    cut_points: Mapping[date, Mapping[str, float | None]]
    units: Mapping[str, float]

    @classmethod
    def of_rows(
        cls, day: date, cut_points: Sequence[Mapping[str, Any]], units: Sequence[Mapping[str, Any]]
    ) -> "Limits":
        """Those of a day, of the rows of rule_cut_points and feature_units."""
        month = day.replace(day=1)
        return cls(
            day=day,
            cut_points={row["as_of_date"]: row for row in cut_points},
            units={row["feature"]: row["unit"] for row in units if month <= row["as_of_date"] <= day and row["unit"]},
        )

    def value(self, value: Value, feature: Feature, frozen_on: date | None) -> float | str | None:
        """A value of a clause in the type that is compared: numbers and days since 1970 as float, the rest as text."""
        match value:
            case Percentile(n):
                row = self.cut_points.get(min(self.day, frozen_on or self.day), {})
                found = row.get(f"{feature.name}_p{n}")
                return None if found is None else float(found)
            case bool():
                return str(value).lower()
            case Decimal():
                return float(value)
            case date():
                return float((value - EPOCH).days)
            case _:
                return value


@dataclass(frozen=True)
class Comparison:
    """A clause with what it compares with on a day.

    Attributes:
        leaf: the clause.
        kind: number, date, text, or segment for in_segment.
        operator: as the rule language has it.
        column: of rule_inputs; of a segment the segmentation that is asked.
        limits: what is compared with; NaN or None where it is missing.
        unit: the robust unit of the feature, of numbers.
        half: half the step between values: 0.5 for whole numbers, else 0.
    """

    leaf: Leaf
    kind: str
    operator: str
    column: str
    limits: tuple[Any, ...]
    unit: float = 1.0
    half: float = 0.0

    @cached_property
    def lacks_limit(self) -> bool:
        """Whether a number that it compares with is missing."""
        return any(np.isnan(limit) for limit in self.limits)

    @cached_property
    def range(self) -> tuple[float | None, float | None]:
        """Between which boundaries, in units, the clause of numbers holds; None for no boundary.

        Clauses that say the same, such as <= 4 and < 5, have the very same boundary, so that their fits are equal.
        """
        first, half, unit, trifle = self.limits[0], self.half, self.unit, 0.0 if self.half else TRIFLE
        match self.operator:
            case ">=":
                return (first - half) / unit, None
            case ">":
                return (first + half) / unit + trifle, None
            case "<=":
                return None, (first + half) / unit
            case "<":
                return None, (first - half) / unit - trifle
            case "between":
                return (first - half) / unit, (self.limits[1] + half) / unit
        return None, None


@dataclass(frozen=True)
class Change:
    """Another value of one feature.

    Attributes:
        feature: which.
        column: the feature's column of rule_inputs.
        value: the value, a number or a text.
        feature_bits: the bits of the clauses about the feature.
        held_bits: those of them that hold of the value.
    """

    feature: Feature
    column: str
    value: float | str
    feature_bits: int
    held_bits: int


class Rules:
    """The rules of a segmentation on a day."""

    def __init__(self, segmentation: Segmentation, number: int, limits: Limits) -> None:
        """Those of the segmentation at a place among all."""
        self.segmentation = segmentation
        self.limits = limits
        self.number = number
        self.name = segmentation.name
        self.segments = tuple(segment.name for segment in segmentation.segments)
        self.rules = tuple(segment.rule for segment in segmentation.segments[:-1])
        self.tests = tuple(self._test(leaf) for leaf in segmentation.leaves)
        self.places = {str(leaf): place for place, leaf in enumerate(segmentation.leaves)}

    def _test(self, leaf: Leaf) -> Comparison:
        if isinstance(leaf, InSegment):
            return Comparison(leaf, "segment", "in segment", leaf.segmentation, (leaf.segment,))
        kind = leaf.feature.kind
        found = [self.limits.value(value, leaf.feature, self.segmentation.frozen_on) for value in leaf.values]
        return Comparison(
            leaf=leaf,
            kind="text" if kind == "boolean" else kind,
            operator=leaf.operator,
            column=column_of(leaf.feature, self.number),
            limits=tuple(
                found if kind in ("text", "boolean") else (np.nan if each is None else each for each in found)
            ),
            unit=float(self.limits.units.get(leaf.feature.name, 1.0)) if kind == "number" else 1.0,
            half=0.5 if kind == "number" and leaf.feature.is_whole else 0.0,
        )

    @cached_property
    def changes(self) -> list[Change]:
        """The values that a feature may be changed to, by feature, numbers first, and by value.

        Of a number these are 0, the values that its clauses name, and their neighbours: 1 away for whole numbers, else
        0.01, or 0.0001 for values below 2, as shares are; of a text those that its clauses name, and another one.
        """
        found = []
        for kind in ("number", "text"):
            own = {
                clause.feature.name: clause.feature
                for clause in self.segmentation.clauses
                if clause.feature.kind == kind
            }
            for name in sorted(own):
                found += self._changes_of(own[name])
        return found

    def _changes_of(self, feature: Feature) -> list[Change]:
        tests = [
            (2**place, test)
            for place, test in enumerate(self.tests)
            if isinstance(test.leaf, Clause) and test.leaf.feature == feature
        ]
        values: set[Any] = {0.0} if feature.kind == "number" else {ANOTHER_VALUE}
        for _, test in tests:
            for value in test.leaf.values:
                values |= self._neighbours(value, feature)
        ordered = (
            sorted(values)
            if feature.kind == "number"
            else sorted(values, key=lambda text: (text == ANOTHER_VALUE, text))
        )
        return [
            Change(
                feature=feature,
                column=tests[0][1].column,
                value=value,
                feature_bits=sum(bit for bit, _ in tests),
                held_bits=sum(bit for bit, test in tests if _value_holds(test, value)),
            )
            for value in ordered
        ]

    def _neighbours(self, value: Value, feature: Feature) -> set[Any]:
        limit = self.limits.value(value, feature, self.segmentation.frozen_on)
        if feature.kind != "number" or limit is None:
            return set() if limit is None else {limit}
        if isinstance(value, Decimal):
            # What is written is exact, and so are its neighbours.
            step = Decimal(1) if feature.is_whole else Decimal("0.0001") if abs(value) < 2 else Decimal("0.01")
            return {float(value), float(value - step), float(value + step)}
        step = 1.0 if feature.is_whole else 0.0001 if abs(limit) < 2 else 0.01
        return {limit, limit - step, limit + step}


def _value_holds(test: Comparison, value: Any) -> bool:
    """Whether a clause holds of a value that is there."""
    if test.operator in ("is null", "is not null"):
        return test.operator == "is not null"
    if test.kind == "text":
        return _word_holds(test, value)
    first, last = test.limits[0], test.limits[-1]
    return {
        ">=": value >= first,
        ">": value > first,
        "<=": value <= first,
        "<": value < first,
        "=": value == first,
        "!=": value != first and not np.isnan(first),
        "between": first <= value <= last,
        "in": value in test.limits,
        "not in": value not in test.limits,
    }[test.operator]


@dataclass(frozen=True)
class Fits:
    """What is known of some customers in one segmentation, an array each.

    Attributes:
        decided: the position of the segment that the rules decide, from 1.
        held: a bit for each clause that holds, the first clause the lowest.
        fit: how well the customer fits the segment that counts, in [0, 1].
        nearest: the position of the other segment that fits best; 0 where there is no other.
        change: the place among the changes, from 1, of the smallest that makes the rules decide for the nearest
            segment; 0 if no change of one feature does, or they decide so already.
    """

    decided: np.ndarray
    held: np.ndarray
    fit: np.ndarray
    nearest: np.ndarray
    change: np.ndarray


def rules_of(segmentations: Sequence[Segmentation], limits: Limits) -> list[Rules]:
    """The rules of segmentations, those first that others build on, on a day."""
    return [Rules(each, number, limits) for number, each in enumerate(segmentations)]


def segment_fits(rules: list[Rules], customers: pa.RecordBatchReader) -> pa.Table:
    """Decide and measure all customers.

    Args:
        rules: as rules_of gives them.
        customers: the rows of rule_inputs, best in batches of BATCH_ROWS.

    Returns:
        A row per customer: customer_id, and for the segmentation at place i decided_i, held_i, fit_i, nearest_i and
        change_i.
    """
    part = partial(_part, rules)
    parts = [part(pa.RecordBatch.from_pylist([], customers.schema))]
    with ThreadPoolExecutor(THREADS) as pool:
        while batches := list(islice(customers, THREADS)):
            parts += pool.map(part, batches)
    return pa.Table.from_batches(parts)


def _part(rules: list[Rules], batch: pa.RecordBatch) -> pa.RecordBatch:
    """Decide and measure some customers, ROWS at a time."""
    rows = batch.num_rows
    found = [
        Fits(
            decided=np.empty(rows, np.int16),
            held=np.empty(rows, np.int64),
            fit=np.empty(rows),
            nearest=np.empty(rows, np.int16),
            change=np.empty(rows, np.int16),
        )
        for _ in rules
    ]
    for start in range(0, rows, ROWS):
        some = batch.slice(start, ROWS)
        inputs = _Inputs(some)
        decided: dict[str, tuple[Rules, np.ndarray]] = {}
        for each in rules:
            column = waiting_column(each.number)
            waiting = _positions(some.column(column), each) if column in some.schema.names else None
            fits = fits_of(each, inputs, decided, waiting)
            decided[each.name] = (each, fits.decided)
            for name, values in vars(fits).items():
                getattr(found[each.number], name)[start : start + len(values)] = values
    columns = {"customer_id": batch.column("customer_id")}
    for number, fits in enumerate(found):
        columns |= {f"{name}_{number}": pa.array(values) for name, values in vars(fits).items()}
    return pa.RecordBatch.from_pydict(columns)


def _positions(segments: pa.Array, rules: Rules) -> pa.Array:
    """The positions of segments by name: 0 for one that the rules no longer have, null where there is none."""
    positions = {name: position for position, name in enumerate(rules.segments, start=1)}
    encoded = segments.dictionary_encode()
    known = pa.array([positions.get(name, 0) for name in encoded.dictionary.to_pylist()], pa.int16())
    return known.take(encoded.indices)


class _Inputs:
    """The columns of some customers as arrays, each made once."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch
        self.rows = batch.num_rows
        self._numbers: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
        self._scaled: dict[str, tuple[np.ndarray, np.ndarray | None, np.ndarray | None]] = {}
        self._texts: dict[str, tuple[list[Any], np.ndarray]] = {}

    def numbers(self, column: str) -> tuple[np.ndarray, np.ndarray | None]:
        """The values, NaN where they are missing, and where that is; None for nowhere."""
        if column not in self._numbers:
            values = self.batch.column(column)
            missing = np.asarray(values.is_null()) if values.null_count else None
            self._numbers[column] = (values.to_numpy(zero_copy_only=False), missing)
        return self._numbers[column]

    def scaled(self, column: str, unit: float) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """The values in robust units, 0 where they are missing; 1 where they are known; 1 where they are missing."""
        if column not in self._scaled:
            values, missing = self.numbers(column)
            scaled, known = values / unit, None
            if missing is not None:
                scaled[missing] = 0.0
                known, missing = np.logical_not(missing).astype(float), missing.astype(float)
            self._scaled[column] = (scaled, known, missing)
        return self._scaled[column]

    def texts(self, column: str) -> tuple[list[Any], np.ndarray]:
        """The different values, None the last of them, and where each customer's stands among them."""
        if column not in self._texts:
            encoded = self.batch.column(column).dictionary_encode()
            words = [*encoded.dictionary.to_pylist(), None]
            places = encoded.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)
            self._texts[column] = (words, places)
        return self._texts[column]


def fits_of(
    rules: Rules,
    inputs: _Inputs,
    decided: Mapping[str, tuple[Rules, np.ndarray]],
    waiting: pa.Array | None = None,
) -> Fits:
    """Decide and measure some customers in one segmentation.

    Args:
        rules: its rules.
        inputs: the customers' values.
        decided: what the segmentations before it decided of them.
        waiting: the position of the segment that counts of those who wait for the confirmation of a move; 0 for one
            that the rules no longer have, null for those who do not wait.
    """
    rows, last = inputs.rows, len(rules.segments)
    # Filled up to whole words, see _bits.
    holds = np.empty((len(rules.tests), -(-rows // 8) * 8), dtype=bool)
    holds[:, rows:] = False
    for i, test in enumerate(rules.tests):
        compare(test, inputs, decided, holds[i, :rows])
    places = rules.places
    ruled = [
        _combine(
            rule, lambda leaf: holds[places[str(leaf)], :rows].copy(), np.logical_and, np.logical_or, np.logical_not
        )
        for rule in rules.rules
    ]
    position = _first(np.array(ruled, dtype=bool).reshape(last - 1, rows))
    counts = position
    if waiting is not None and waiting.null_count < rows:
        counts = np.where(waiting.is_null(), position, waiting.fill_null(0)).astype(np.int16)
    fits = np.empty((last, rows))
    for i, rule in enumerate(rules.rules):
        fits[i] = _combine(
            rule,
            lambda leaf: distances(rules.tests[places[str(leaf)]], inputs, holds[places[str(leaf)], :rows]),
            np.minimum,
            np.maximum,
            np.negative,
        )
    # The last segment is as near as the rules are far; of equals a rule comes first.
    fits[-1] = -np.maximum(fits[:-1].max(axis=0), -FARTHEST) - TRIFLE if last > 1 else FARTHEST
    # The segment that counts is taken out, so that the others are compared without it.
    is_gone = counts == 0
    own_places = (np.maximum(counts, 1) - 1) * np.int64(rows) + np.arange(rows)
    own = fits.take(own_places)
    fits.put(own_places, np.where(is_gone, own, -np.inf))
    nearest = _first(fits == fits.max(axis=0)) if last > 1 else is_gone.astype(np.int16)
    own[is_gone] = -FARTHEST
    fit = np.round(1 / (1 + np.exp(-np.clip(own, -FARTHEST, FARTHEST))), 12)
    # At least a half exactly where the rule holds, whatever is rounded. The last segment's holds where no other does.
    if counts is position:
        np.maximum(fit, 0.5, out=fit)
    else:
        all_ruled = np.array([*ruled, position == last], dtype=bool).reshape(last, rows)
        its_rule_holds = all_ruled.take(own_places) & ~is_gone
        fit = np.where(its_rule_holds, np.maximum(fit, 0.5), np.minimum(fit, 0.499999999))
    held = _bits(holds)[:rows]
    return Fits(position, held, fit, nearest, smallest_changes(rules, inputs, held, position, nearest))


def smallest_changes(
    rules: Rules, inputs: "_Inputs", held: np.ndarray, decided: np.ndarray, nearest: np.ndarray
) -> np.ndarray:
    """The place of each customer's smallest change, as `Fits` has it; of changes of one size the first.

    What a change leads to depends on the clauses that hold alone: it is found out once for each set of clauses that
    holds.
    """
    found = np.zeros(len(held), dtype=np.int16)
    (moving,) = np.nonzero((nearest != decided) & (nearest > 0))
    if not len(moving) or not rules.changes:
        return found
    # Numbers in place of sets of clauses, so that those with the nearest segment are one number, which sorts fast.
    sets, set_of = np.unique(held[moving], return_inverse=True)
    pairs, pattern_of = np.unique(set_of * np.int64(len(rules.segments) + 1) + nearest[moving], return_inverse=True)
    of_pairs, targets = np.divmod(pairs, len(rules.segments) + 1)
    smallest = np.full(len(moving), np.inf)
    for place, is_reached in _reached(rules, sets[of_pairs], targets):
        (here,) = np.nonzero(is_reached[pattern_of])
        size = _sizes(rules.changes[place - 1], rules, inputs, moving[here])
        is_smaller = size < smallest[here] - TRIFLE
        here = here[is_smaller]
        smallest[here] = size[is_smaller]
        found[moving[here]] = place
    return found


def _reached(rules: Rules, held: np.ndarray, target: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The changes by place, each with where it makes the rules decide for the target; none that does so nowhere.

    Args:
        rules: the rules.
        held: the bits of the clauses that hold, of some patterns.
        target: the positions of the segments that are to be reached.
    """
    holds = [(held & np.int64(1 << place)) != 0 for place in range(len(rules.tests))]
    for column, changes in groupby(enumerate(rules.changes, start=1), key=lambda numbered: numbered[1].column):
        own = {str(test.leaf) for test in rules.tests if test.column == column and isinstance(test.leaf, Clause)}
        here = _hopes(rules, holds, target, own)
        if not len(here):
            continue
        # The other rules are as they have to be: they say the same whatever the feature is.
        asked = [
            (position, rule)
            for position, rule in enumerate(rules.rules, start=1)
            if any(str(leaf) in own for leaf, _ in signed_leaves(rule))
        ]
        others = {str(leaf) for _, rule in asked for leaf, _ in signed_leaves(rule)} - own
        known = {text: holds[rules.places[text]][here] for text in others}
        constants = {truth: np.full(len(here), truth) for truth in (True, False)}
        for place, change in changes:
            now = known | {text: constants[bool(change.held_bits >> rules.places[text] & 1)] for text in own}
            is_reached = np.zeros(len(held), dtype=bool)
            is_reached[here] = _decide(asked, now, target[here])
            if is_reached.any():
                yield place, is_reached


def _hopes(rules: Rules, holds: list[np.ndarray], target: np.ndarray, own: set[str]) -> np.ndarray:
    """Where the rules might decide for the target, were the clauses of one feature as they wish."""
    sure = np.ones(len(target), dtype=bool)
    # Whether each clause may hold, and whether it may not.
    may = {
        text: (sure, sure) if text in own else (holds[bit], np.logical_not(holds[bit]))
        for text, bit in rules.places.items()
    }

    def all_of(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        return (
            np.logical_and.reduce([part[0] for part in parts]),
            np.logical_or.reduce([part[1] for part in parts]),
        )

    def negate(part: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return part[1], part[0]

    def any_of(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        return negate(all_of([negate(part) for part in parts]))

    hopeful = sure.copy()
    for position, rule in enumerate(rules.rules, start=1):
        may_hold, may_not = fold(rule, lambda leaf: may[str(leaf)], negate, all_of, any_of)
        # The target's own rule has to hold, and none before it.
        hopeful &= np.where(target == position, may_hold, may_not | (target < position))
    return np.nonzero(hopeful)[0]


def _decide(asked: list[tuple[int, Rule]], holds: Mapping[str, np.ndarray], target: np.ndarray) -> np.ndarray:
    """Where rules at some positions decide for the target: its own holds, and none before it."""
    found = np.ones(len(target), dtype=bool)
    for position, rule in asked:
        truth = fold(rule, lambda leaf: holds[str(leaf)], np.logical_not, np.logical_and.reduce, np.logical_or.reduce)
        found &= np.where(target == position, truth, ~truth | (target < position))
    return found


def _sizes(change: Change, rules: Rules, inputs: "_Inputs", customers: np.ndarray) -> np.ndarray:
    """How large a change is for some customers: in units of a number, 1 for texts and missing values."""
    if change.feature.kind != "number":
        return np.ones(len(customers))
    values, missing = inputs.numbers(change.column)
    sizes = np.abs(values[customers] - change.value) / rules.limits.units.get(change.feature.name, 1.0)
    if missing is not None:
        sizes[missing[customers]] = 1.0
    return sizes


# Arithmetic on bytes, which is many times faster here than masks, argmax and packbits along columns.


def _first(truths: np.ndarray) -> np.ndarray:
    """The place, from 1, of the first row that is true in each column; one more than there are rows where none is."""
    last = len(truths) + 1
    found = np.zeros(truths.shape[1], dtype=np.int16)
    for i, truth in enumerate(truths):
        np.maximum(found, truth.view(np.uint8) * np.int16(last - 1 - i), out=found)
    return np.int16(last) - found


def _bits(truths: np.ndarray) -> np.ndarray:
    """A number per column whose bits are its rows, the first the lowest; the columns are a multiple of eight."""
    columns = truths.shape[1]
    numbers = np.zeros((columns, 8), dtype=np.uint8)
    for start in range(0, len(truths), 8):
        # Eight columns side by side in a word: each is a byte of 0 or 1, and a shift by less than eight stays in it.
        words = np.zeros(columns // 8, dtype=np.uint64)
        for i, truth in enumerate(truths[start : start + 8]):
            words |= truth.view(np.uint64) << np.uint64(i)
        numbers[:, start // 8] = words.view(np.uint8)
    return numbers.view("<i8").reshape(columns)


def _combine(
    rule: Rule, leaf: Callable[[Leaf], np.ndarray], least: np.ufunc, greatest: np.ufunc, negative: np.ufunc
) -> np.ndarray:
    """A rule over its clauses, whose arrays it may write over: all is the least, any the greatest, not the negative."""

    def reduced(function: np.ufunc) -> Callable[[list[np.ndarray]], np.ndarray]:
        def reduce(parts: list[np.ndarray]) -> np.ndarray:
            result, *others = parts
            for other in others:
                function(result, other, out=result)
            return result

        return reduce

    return fold(rule, leaf, lambda part: negative(part, out=part), reduced(least), reduced(greatest))


def compare(
    clause: Comparison, inputs: _Inputs, decided: Mapping[str, tuple[Rules, np.ndarray]], out: np.ndarray
) -> None:
    """Put into `out` whether a clause holds; missing values and limits make it false."""
    if clause.kind == "segment":
        asked, positions = decided[clause.column]
        np.equal(positions, asked.segments.index(clause.limits[0]) + 1, out=out)
        return
    if clause.kind == "text":
        words, places = inputs.texts(clause.column)
        np.take(np.array([_word_holds(clause, word) for word in words], dtype=bool), places, out=out, mode="clip")
        return
    values, missing = inputs.numbers(clause.column)
    match clause.operator:
        case "is null" | "is not null":
            out[:] = False if missing is None else missing
            if clause.operator == "is not null":
                np.logical_not(out, out=out)
        case ">=" | ">" | "<=" | "<":
            COMPARED[clause.operator](values, clause.limits[0], out=out)
        case "between":
            out[:] = (values >= clause.limits[0]) & (values <= clause.limits[1])
        case operator:
            out[:] = np.logical_or.reduce([values == limit for limit in clause.limits])
            if operator in ("!=", "not in"):
                np.logical_not(out, out=out)
                if missing is not None:
                    out[missing] = False


COMPARED = {">=": np.greater_equal, ">": np.greater, "<=": np.less_equal, "<": np.less}


def _word_holds(clause: Comparison, word: str | None) -> bool:
    if clause.operator in ("is null", "is not null"):
        return (word is None) == (clause.operator == "is null")
    return word is not None and (word in clause.limits) == (clause.operator in ("=", "in"))


def distances(clause: Comparison, inputs: _Inputs, holds: np.ndarray) -> np.ndarray:
    """How far customers are inside (positive) or outside (negative) a clause, in robust units of the feature.

    One unit for features without an order and for missing values and limits. The boundaries of a whole number lie
    half-way to the next one.
    """
    if clause.kind != "number" or clause.operator in ("is null", "is not null"):
        return holds * 2.0 - 1.0
    if clause.lacks_limit:
        return np.full(inputs.rows, -1.0)
    values, known, missing = inputs.scaled(clause.column, clause.unit)
    lower, upper = clause.range
    if lower is None and upper is None:
        half = clause.half / clause.unit
        distances = np.minimum.reduce([np.abs(values - limit / clause.unit) for limit in clause.limits])
        if clause.operator in ("!=", "not in"):
            distances -= half if half else TRIFLE
        else:
            np.subtract(half, distances, out=distances)
    elif upper is None:
        distances = values - lower
    else:
        distances = upper - values
        if lower is not None:
            np.minimum(distances, values - lower, out=distances)
    if missing is not None:
        distances *= known
        distances -= missing
    return distances

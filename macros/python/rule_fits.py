"""What rules decide of customers and how near the other segments are, over arrays.

Clauses and distances are arithmetic on columns, many times cheaper here than as SQL expressions (docs/benchmarks.md).
Rules come as the row of rules_in_force, customers as the columns of rule_inputs (macros/rules/rules_as_data.sql).
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

# Rows at a time: so many that calls of numpy cost little, so few that what is in between stays in the processor's
# cache.
ROWS = 32_768
# Rows of a batch of customers, and batches at a time: more threads than two wait for Python's lock.
BATCH_ROWS = 4 * ROWS
THREADS = 2
# Just on the boundary of a number with decimals a strict clause is a trifle outside.
TRIFLE = 1e-9
FARTHEST = 30.0


@dataclass(frozen=True)
class Clause:
    """A clause of a rule.

    Attributes:
        kind: number, date, text, or segment for in_segment.
        operator: as the rule language has it.
        column: of rule_inputs; of a segment the segmentation that is asked.
        limits: what is compared with; NaN or None where it is missing.
        unit: the robust unit of the feature, of numbers.
        half: half the step between values: 0.5 for whole numbers, else 0.
    """

    kind: str
    operator: str
    column: str
    limits: tuple[Any, ...]
    unit: float
    half: float

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
class Segmentation:
    """Ordered rules over clauses; the last segment has none and takes everybody whom no rule took."""

    name: str
    clauses: tuple[Clause, ...]
    segments: tuple[str, ...]
    rules: tuple[Any, ...]


@dataclass(frozen=True)
class Fits:
    """What is known of some customers in one segmentation, an array each.

    Attributes:
        decided: the position of the segment that the rules decide, from 1.
        held: a bit for each clause that holds, the first clause the lowest.
        fit: how well the customer fits the segment that counts, in [0, 1].
        nearest: the position of the other segment that fits best; 0 where there is no other.
    """

    decided: np.ndarray
    held: np.ndarray
    fit: np.ndarray
    nearest: np.ndarray


def rules_of(row: Mapping[str, Any]) -> list[Segmentation]:
    """The segmentations in the row of rules_in_force, those first that others ask for."""
    found = []
    for each in json.loads(row["rules"]):
        clauses = tuple(
            Clause(
                kind=clause["kind"],
                operator=clause["operator"],
                column=clause["column"],
                limits=tuple(_limit(row, clause["kind"], limit) for limit in clause["limits"]),
                unit=float(row[clause["unit"]]) if clause["unit"] else 1.0,
                half=0.5 if clause["is_whole"] else 0.0,
            )
            for clause in each["clauses"]
        )
        segments = each["segments"]
        found.append(
            Segmentation(
                name=each["name"],
                clauses=clauses,
                segments=tuple(segment["name"] for segment in segments),
                rules=tuple(segment["rule"] for segment in segments[:-1]),
            )
        )
    return found


def _limit(row: Mapping[str, Any], kind: str, limit: str) -> Any:
    if kind == "segment":
        return limit
    if kind == "text":
        return row[limit]
    return np.nan if row[limit] is None else float(row[limit])


def segment_fits(segmentations: list[Segmentation], customers: pa.RecordBatchReader) -> pa.Table:
    """Decide and measure all customers.

    Args:
        segmentations: as rules_of gives them.
        customers: the rows of rule_inputs, best in batches of BATCH_ROWS.

    Returns:
        A row per customer: customer_id, and for the segmentation at place i decided_i, held_i, fit_i and nearest_i.
    """
    part = partial(_part, segmentations)
    parts = [part(pa.RecordBatch.from_pylist([], customers.schema))]
    with ThreadPoolExecutor(THREADS) as pool:
        while batches := list(islice(customers, THREADS)):
            parts += pool.map(part, batches)
    return pa.Table.from_batches(parts)


def _part(segmentations: list[Segmentation], batch: pa.RecordBatch) -> pa.RecordBatch:
    """Decide and measure some customers, ROWS at a time."""
    rows = batch.num_rows
    found = [
        Fits(np.empty(rows, np.int16), np.empty(rows, np.int64), np.empty(rows), np.empty(rows, np.int16))
        for _ in segmentations
    ]
    for start in range(0, rows, ROWS):
        some = batch.slice(start, ROWS)
        inputs = _Inputs(some)
        decided: dict[str, tuple[Segmentation, np.ndarray]] = {}
        for number, segmentation in enumerate(segmentations):
            waiting = some.column(f"counts_{number}") if f"counts_{number}" in some.schema.names else None
            fits = fits_of(segmentation, inputs, decided, waiting)
            decided[segmentation.name] = (segmentation, fits.decided)
            for name, values in vars(fits).items():
                getattr(found[number], name)[start : start + len(values)] = values
    columns = {"customer_id": batch.column("customer_id")}
    for number, fits in enumerate(found):
        columns |= {f"{name}_{number}": pa.array(values) for name, values in vars(fits).items()}
    return pa.RecordBatch.from_pydict(columns)


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
    segmentation: Segmentation,
    inputs: _Inputs,
    decided: Mapping[str, tuple[Segmentation, np.ndarray]],
    waiting: pa.Array | None = None,
) -> Fits:
    """Decide and measure some customers in one segmentation.

    Args:
        segmentation: its rules.
        inputs: the customers' values.
        decided: what the segmentations before it decided of them.
        waiting: the position of the segment that counts of those who wait for the confirmation of a move; 0 for one
            that the rules no longer have, null for those who do not wait.
    """
    rows, last = inputs.rows, len(segmentation.segments)
    # Filled up to whole words, see _bits.
    holds = np.empty((len(segmentation.clauses), -(-rows // 8) * 8), dtype=bool)
    holds[:, rows:] = False
    for i, clause in enumerate(segmentation.clauses):
        clause_holds(clause, inputs, decided, holds[i, :rows])
    ruled = [
        _combine(rule, lambda i: holds[i, :rows].copy(), np.logical_and, np.logical_or, np.logical_not)
        for rule in segmentation.rules
    ]
    position = _first(np.array(ruled, dtype=bool).reshape(last - 1, rows))
    counts = position
    if waiting is not None and waiting.null_count < rows:
        counts = np.where(waiting.is_null(), position, waiting.fill_null(0)).astype(np.int16)
    fits = np.empty((last, rows))
    for i, rule in enumerate(segmentation.rules):
        fits[i] = _combine(
            rule,
            lambda i: clause_distances(segmentation.clauses[i], inputs, holds[i, :rows]),
            np.minimum,
            np.maximum,
            np.negative,
        )
    # The last segment is as near as the rules are far; of equals a rule comes first.
    fits[-1] = -np.maximum(fits[:-1].max(axis=0), -FARTHEST) - TRIFLE if last > 1 else FARTHEST
    # The segment that counts is taken out, so that the others are compared without it.
    is_gone = counts == 0
    places = (np.maximum(counts, 1) - 1) * np.int64(rows) + np.arange(rows)
    own = fits.take(places)
    fits.put(places, np.where(is_gone, own, -np.inf))
    nearest = _first(fits == fits.max(axis=0)) if last > 1 else is_gone.astype(np.int16)
    own[is_gone] = -FARTHEST
    fit = np.round(1 / (1 + np.exp(-np.clip(own, -FARTHEST, FARTHEST))), 12)
    # At least a half exactly where the rule holds, whatever is rounded. The last segment's holds where no other does.
    if counts is position:
        np.maximum(fit, 0.5, out=fit)
    else:
        all_ruled = np.array([*ruled, position == last], dtype=bool).reshape(last, rows)
        its_rule_holds = all_ruled.take(places) & ~is_gone
        fit = np.where(its_rule_holds, np.maximum(fit, 0.5), np.minimum(fit, 0.499999999))
    return Fits(position, _bits(holds)[:rows], fit, nearest)


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
    rule: Any, clause: Callable[[int], np.ndarray], least: np.ufunc, greatest: np.ufunc, negative: np.ufunc
) -> np.ndarray:
    """A rule over its clauses, whose arrays it may write over: all is the least, any the greatest, not the negative."""
    if "clause" in rule:
        return clause(rule["clause"])
    if "not" in rule:
        result = _combine(rule["not"], clause, least, greatest, negative)
        return negative(result, out=result)
    (key,) = rule
    function = least if key == "all" else greatest
    first, *others = rule[key]
    result = _combine(first, clause, least, greatest, negative)
    for other in others:
        function(result, _combine(other, clause, least, greatest, negative), out=result)
    return result


def clause_holds(
    clause: Clause, inputs: _Inputs, decided: Mapping[str, tuple[Segmentation, np.ndarray]], out: np.ndarray
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


def _word_holds(clause: Clause, word: str | None) -> bool:
    if clause.operator in ("is null", "is not null"):
        return (word is None) == (clause.operator == "is null")
    return word is not None and (word in clause.limits) == (clause.operator in ("=", "in"))


def clause_distances(clause: Clause, inputs: _Inputs, holds: np.ndarray) -> np.ndarray:
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

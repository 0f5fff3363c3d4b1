"""What rules decide of customers and how near the other segments are, over arrays.

Clauses and distances are arithmetic on columns, many times cheaper here than as SQL expressions (docs/benchmarks.md).
Rules come as the row of rules_in_force, customers as the columns of rule_inputs (macros/rules/rules_as_data.sql).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

# Rows at a time: so many that calls of numpy cost little, so few that what is in between takes some tens of megabytes.
ROWS = 65_536
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
        customers: the rows of rule_inputs.

    Returns:
        A row per customer: customer_id, and for the segmentation at place i decided_i, held_i, fit_i and nearest_i,
        which are null where the customer has no segment in it.
    """
    parts = [_part(segmentations, pa.RecordBatch.from_pylist([], customers.schema))]
    for batch in customers:
        parts += [_part(segmentations, batch.slice(start, ROWS)) for start in range(0, batch.num_rows, ROWS)]
    return pa.Table.from_batches(parts)


def _part(segmentations: list[Segmentation], batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = {"customer_id": batch.column("customer_id")}
    inputs = _Inputs(batch)
    decided: dict[str, tuple[Segmentation, np.ndarray]] = {}
    for number, segmentation in enumerate(segmentations):
        counts = batch.column(f"counts_{number}")
        nobody = np.asarray(counts.is_null()) if counts.null_count else None
        positions = counts.fill_null(0).to_numpy(zero_copy_only=False)
        fits = fits_of(segmentation, inputs, decided, positions)
        decided[segmentation.name] = (segmentation, fits.decided)
        for name, values in vars(fits).items():
            columns[f"{name}_{number}"] = pa.array(values, mask=nobody)
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
    counts: np.ndarray,
) -> Fits:
    """Decide and measure some customers in one segmentation.

    Args:
        segmentation: its rules.
        inputs: the customers' values.
        decided: what the segmentations before it decided of them.
        counts: the position of the segment that counts; 0 for one that the rules no longer have.
    """
    rows, last = inputs.rows, len(segmentation.segments)
    holds = np.empty((len(segmentation.clauses), rows), dtype=bool)
    distances: list[np.ndarray] = []
    for i, clause in enumerate(segmentation.clauses):
        clause_holds(clause, inputs, decided, holds[i])
        distances.append(clause_distances(clause, inputs, holds[i]))
    ruled = np.empty((last - 1, rows), dtype=bool)
    fits = np.empty((last, rows))
    for i, rule in enumerate(segmentation.rules):
        ruled[i] = _combine(rule, holds, np.logical_and, np.logical_or, np.logical_not)
        fits[i] = _combine(rule, distances, np.minimum, np.maximum, np.negative)
    position = _first(ruled)
    # The last segment is as near as the rules are far; of equals a rule comes first.
    fits[-1] = -np.maximum(fits[:-1].max(axis=0), -FARTHEST) - TRIFLE if last > 1 else FARTHEST

    everybody, places = np.arange(rows), np.maximum(counts, 1) - 1
    is_gone = counts == 0
    own = fits[places, everybody]
    # Others are compared without it.
    fits[places, everybody] = np.where(is_gone, own, -np.inf)
    nearest = _first(fits == fits.max(axis=0)) if last > 1 else is_gone.astype(np.int16)
    own[is_gone] = -FARTHEST
    fit = np.round(1 / (1 + np.exp(-np.clip(own, -FARTHEST, FARTHEST))), 12)
    # The rule that decides holds, and those before it do not, whatever is rounded.
    fit = np.where(counts == position, np.maximum(fit, 0.5), fit)
    fit = np.where(counts < position, np.minimum(fit, 0.499999999), fit)
    return Fits(position, _bits(holds), fit, nearest)


# Arithmetic on bytes, which is many times faster here than masks, argmax and packbits along columns.


def _first(truths: np.ndarray) -> np.ndarray:
    """The place, from 1, of the first row that is true in each column; one more than there are rows where none is."""
    last = len(truths) + 1
    found = np.zeros(truths.shape[1], dtype=np.int16)
    for i, truth in enumerate(truths):
        np.maximum(found, truth.view(np.uint8) * np.int16(last - 1 - i), out=found)
    return np.int16(last) - found


def _bits(truths: np.ndarray) -> np.ndarray:
    """A number per column whose bits are its rows, the first the lowest."""
    numbers = np.zeros(truths.shape[1], dtype=np.int64)
    for start in range(0, len(truths), 8):
        byte = np.zeros(truths.shape[1], dtype=np.uint8)
        for i, truth in enumerate(truths[start : start + 8]):
            byte |= truth.view(np.uint8) << np.uint8(i)
        numbers |= byte.astype(np.int64) << start
    return numbers


def _combine(rule: Any, clauses: np.ndarray, least: np.ufunc, greatest: np.ufunc, negative: np.ufunc) -> np.ndarray:
    """A rule over its clauses: all is the least, any the greatest, not the negative."""
    if "clause" in rule:
        return clauses[rule["clause"]]
    if "not" in rule:
        return negative(_combine(rule["not"], clauses, least, greatest, negative))
    (key,) = rule
    first, *others = (_combine(part, clauses, least, greatest, negative) for part in rule[key])
    if not others:
        return first
    function = least if key == "all" else greatest
    result = function(first, others[0])
    for other in others[1:]:
        function(result, other, out=result)
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
    if any(np.isnan(limit) for limit in clause.limits):
        return np.full(inputs.rows, -1.0)
    (values, known, missing), unit, half = inputs.scaled(clause.column, clause.unit), clause.unit, clause.half
    trifle = 0.0 if half else TRIFLE
    first = clause.limits[0]
    match clause.operator:
        case ">=":
            distances = values - (first - half) / unit
        case ">":
            distances = values - ((first + half) / unit + trifle)
        case "<=":
            distances = (first + half) / unit - values
        case "<":
            distances = ((first - half) / unit - trifle) - values
        case "between":
            distances = np.minimum(values - (first - half) / unit, (clause.limits[1] + half) / unit - values)
        case operator:
            gaps = np.minimum.reduce([np.abs(values - limit / unit) for limit in clause.limits])
            distances = gaps - (half / unit + trifle) if operator in ("!=", "not in") else half / unit - gaps
    if missing is not None:
        distances *= known
        distances -= missing
    return distances

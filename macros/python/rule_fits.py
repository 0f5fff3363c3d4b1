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

# Rows at a time: the distances of a segmentation's clauses then stay in the processor's cache.
ROWS = 4096
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
    nobody = pa.RecordBatch.from_pylist([], customers.schema)
    parts = [_part(segmentations, nobody)]
    for batch in customers:
        parts += [_part(segmentations, batch.slice(start, ROWS)) for start in range(0, batch.num_rows, ROWS)]
    return pa.Table.from_batches(parts)


def _part(segmentations: list[Segmentation], batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = {"customer_id": batch.column("customer_id")}
    inputs = _Inputs(batch)
    decided: dict[str, tuple[Segmentation, np.ndarray]] = {}
    for number, segmentation in enumerate(segmentations):
        counts = batch.column(f"counts_{number}")
        nobody = np.asarray(counts.is_null())
        fits = fits_of(segmentation, inputs, decided, counts.fill_null(0).to_numpy(zero_copy_only=False))
        decided[segmentation.name] = (segmentation, fits.decided)
        for name, values in vars(fits).items():
            columns[f"{name}_{number}"] = pa.array(values, mask=nobody)
    return pa.RecordBatch.from_pydict(columns)


class _Inputs:
    """The columns of some customers as arrays, each made once."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch
        self.rows = batch.num_rows
        self._numbers: dict[str, np.ndarray] = {}
        self._scaled: dict[str, np.ndarray] = {}
        self._texts: dict[str, tuple[list[Any], np.ndarray]] = {}

    def numbers(self, column: str) -> np.ndarray:
        """The values, NaN where they are missing."""
        if column not in self._numbers:
            self._numbers[column] = self.batch.column(column).to_numpy(zero_copy_only=False)
        return self._numbers[column]

    def scaled(self, column: str, unit: float) -> np.ndarray:
        """The values in robust units."""
        if column not in self._scaled:
            self._scaled[column] = self.numbers(column) / unit
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
    rows = inputs.rows
    holds = np.zeros((64, rows), dtype=bool)
    distances = np.empty((len(segmentation.clauses), rows))
    for i, clause in enumerate(segmentation.clauses):
        holds[i] = clause_holds(clause, inputs, decided)
        distances[i] = clause_distances(clause, inputs, holds[i])
    held = np.ascontiguousarray(np.packbits(holds, axis=0, bitorder="little").T).view(np.int64)[:, 0]

    last = len(segmentation.segments)
    position = np.full(rows, last, dtype=np.int8)
    fits = np.empty((last, rows))
    for i in reversed(range(last - 1)):
        rule = segmentation.rules[i]
        position[_combine(rule, holds, np.logical_and, np.logical_or, np.logical_not)] = i + 1
        fits[i] = _combine(rule, distances, np.minimum, np.maximum, np.negative)
    # The last segment is as near as the rules are far; of equals a rule comes first.
    fits[-1] = -np.maximum(fits[:-1].max(axis=0), -FARTHEST) - TRIFLE if last > 1 else FARTHEST

    everybody = np.arange(rows)
    own = fits[counts.astype(np.int64) - 1, everybody]
    own[counts == 0] = -FARTHEST
    fits[counts.astype(np.int64) - 1, everybody] = np.where(counts == 0, fits[-1], -np.inf)
    nearest = np.where(np.isfinite(fits.max(axis=0)), fits.argmax(axis=0) + 1, 0).astype(np.int8)
    fit = np.round(1 / (1 + np.exp(-np.clip(own, -FARTHEST, FARTHEST))), 12)
    # The rule that decides holds, and those before it do not, whatever is rounded.
    fit = np.where(counts == position, np.maximum(fit, 0.5), fit)
    fit = np.where(counts < position, np.minimum(fit, 0.499999999), fit)
    return Fits(position, held, fit, nearest)


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


def clause_holds(clause: Clause, inputs: _Inputs, decided: Mapping[str, tuple[Segmentation, np.ndarray]]) -> np.ndarray:
    """Whether a clause holds; missing values and limits make it false."""
    if clause.kind == "segment":
        asked, positions = decided[clause.column]
        return positions == asked.segments.index(clause.limits[0]) + 1
    if clause.kind == "text":
        words, places = inputs.texts(clause.column)
        return np.array([_word_holds(clause, word) for word in words], dtype=bool)[places]
    values = inputs.numbers(clause.column)
    first = clause.limits[0] if clause.limits else None
    match clause.operator:
        case "is null":
            return np.isnan(values)
        case "is not null":
            return ~np.isnan(values)
        case ">=":
            return values >= first
        case ">":
            return values > first
        case "<=":
            return values <= first
        case "<":
            return values < first
        case "between":
            return (values >= first) & (values <= clause.limits[1])
        case "=" | "in":
            return np.isin(values, clause.limits)
    return ~np.isin(values, clause.limits) & ~np.isnan(values)


def _word_holds(clause: Clause, word: str | None) -> bool:
    if clause.operator in ("is null", "is not null"):
        return (word is None) == (clause.operator == "is null")
    return word is not None and (word in clause.limits) == (clause.operator in ("=", "in"))


def clause_distances(clause: Clause, inputs: _Inputs, holds: np.ndarray) -> np.ndarray:
    """How far customers are inside (positive) or outside (negative) a clause, in robust units of the feature.

    One unit for features without an order and for missing values. The boundaries of a whole number lie half-way to the
    next one.
    """
    if clause.kind != "number" or clause.operator in ("is null", "is not null"):
        return np.where(holds, 1.0, -1.0)
    values, unit, half = inputs.scaled(clause.column, clause.unit), clause.unit, clause.half
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
    np.copyto(distances, -1.0, where=np.isnan(distances))
    return distances

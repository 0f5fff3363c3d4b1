"""Decisions of rules in words, once for each set of clauses that holds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from macros.python.rules.fits import Rules
from macros.python.rules.tree import Clause, Leaf, Rule, Segment, Segmentation, fold, signed_leaves

TEXTS = pa.schema(
    [
        ("segmentation", pa.string()),
        ("rule_segment", pa.string()),
        ("held_clauses", pa.int64()),
        ("deciding_clauses", pa.string()),
        ("missed_rules", pa.string()),
    ]
)
CHANGES = pa.schema(
    [
        ("segmentation", pa.string()),
        ("change", pa.int16()),
        ("feature", pa.string()),
        ("column_name", pa.string()),
        ("change_to", pa.string()),
    ]
)


@dataclass(frozen=True)
class Verdict:
    """Whether a rule holds, and the bits of the clauses on account of which it does or does not."""

    holds: bool
    bits: int


def verdict(rule: Rule, bits: dict[str, int], held: int) -> Verdict:
    """What a rule says where the clauses of some bits hold.

    All parts decide that an `all` holds, the failing ones that it does not; with `any` it is the other way round.
    """

    def leaf(each: Leaf) -> Verdict:
        bit = bits[str(each)]
        return Verdict(bool(held & bit), bit)

    def all_of(parts: list[Verdict]) -> Verdict:
        holds = all(part.holds for part in parts)
        return Verdict(holds, _union(part.bits for part in parts if part.holds == holds))

    def any_of(parts: list[Verdict]) -> Verdict:
        holds = any(part.holds for part in parts)
        return Verdict(holds, _union(part.bits for part in parts if part.holds == holds))

    return fold(rule, leaf, lambda part: Verdict(not part.holds, part.bits), all_of, any_of)


def _union(bits: Iterable[int]) -> int:
    found = 0
    for each in bits:
        found |= each
    return found


class Words:
    """What the rules of a segmentation say on a day, in words."""

    def __init__(self, rules: Rules) -> None:
        """Those of the rules."""
        self.rules = rules
        self.bits = rules.segmentation.bits
        self.segments = {segment.name: segment for segment in rules.segmentation.segments}
        self._told: dict[tuple[str, int], tuple[str, ...]] = {}

    @cached_property
    def _masks(self) -> dict[str, int]:
        """The bits of the clauses of each segment's rule."""
        return {name: _union(bit for bit, _ in clauses) for name, clauses in self._clauses.items()}

    @cached_property
    def _clauses(self) -> dict[str, list[tuple[int, str]]]:
        """The clauses of each segment's rule, by bit."""
        return {
            segment.name: sorted(
                {(self.bits[str(leaf)], self._text(leaf)) for leaf, _ in signed_leaves(segment.rule)}
                if segment.rule
                else ()
            )
            for segment in self.rules.segmentation.segments
        }

    def _text(self, leaf: Leaf) -> str:
        """A clause, percentiles with their value."""
        values = "".join(
            f" ({'none' if found is None else number_text(found)})"
            for found in (
                self.rules.limits.value(value, leaf.feature, self.rules.segmentation.frozen_on)
                for value in (leaf.values if isinstance(leaf, Clause) and leaf.percentiles else ())
            )
        )
        return f"{leaf}{values}"

    def deciding_clauses(self, segment: str, held: int) -> str | None:
        """The clauses on account of which the rule of a segment holds; None for the last segment, which has none."""
        found = self.segments[segment]
        return " and ".join(self._of(found, held)) if found.rule else None

    def missed(self, segment: str, held: int) -> dict[str, str]:
        """The segments before one, each with the clauses on account of which its rule does not hold."""
        position = self.segments[segment].position
        return {
            earlier.name: f"{earlier.name} ({', '.join(self._of(earlier, held))})"
            for earlier in self.rules.segmentation.segments[: position - 1]
        }

    def missed_rules(self, segment: str, held: int) -> str | None:
        """The same in one text; None for the first segment."""
        return ", ".join(self.missed(segment, held).values()) or None

    def _of(self, segment: Segment, held: int) -> tuple[str, ...]:
        """The clauses that decide a segment's rule, `not` before those that do not hold."""
        # Of the bits those of its own rule matter, and few sets of them occur.
        own = held & self._masks[segment.name]
        key = segment.name, own
        if key not in self._told:
            bits = verdict(segment.rule, self.bits, own).bits
            self._told[key] = tuple(
                text if own & bit else f"not {text}" for bit, text in self._clauses[segment.name] if bits & bit
            )
        return self._told[key]


def pattern_texts(rules: Sequence[Rules], patterns: Iterable[tuple[str, str, int]]) -> pa.Table:
    """Decisions in words.

    Args:
        rules: those of all segmentations.
        patterns: segmentation, segment that the rules decide, and bits of the clauses that hold.

    Returns:
        A row for each: its three values, deciding_clauses and missed_rules.
    """
    words = {each.name: Words(each) for each in rules}
    rows = [
        {
            "segmentation": segmentation,
            "rule_segment": segment,
            "held_clauses": held,
            "deciding_clauses": words[segmentation].deciding_clauses(segment, held),
            "missed_rules": words[segmentation].missed_rules(segment, held),
        }
        for segmentation, segment, held in patterns
    ]
    return pa.Table.from_pylist(rows, TEXTS)


def number_text(value: float) -> str:
    """A number as text, without needless decimals."""
    return str(int(value)) if value == math.floor(value) else str(round(value, 4))


def changes(rules: Sequence[Rules]) -> pa.Table:
    """The changes that `segment_fits` counts, by segmentation and place: feature, its column, and the value as text."""
    rows = [
        {
            "segmentation": each.name,
            "change": place,
            "feature": change.feature.name,
            "column_name": change.column,
            "change_to": change.value if isinstance(change.value, str) else number_text(change.value),
        }
        for each in rules
        for place, change in enumerate(each.changes, start=1)
    ]
    return pa.Table.from_pylist(rows, CHANGES)


def positions(segmentations: Iterable[Segmentation]) -> pa.Table:
    """The segments of some segmentations by position, as segment_versions has them."""
    return pa.Table.from_pylist(
        [
            {
                "segmentation": each.name,
                "rule_version": each.rule_version,
                "segment": segment.name,
                "position": segment.position,
            }
            for each in segmentations
            for segment in each.segments
        ]
    )

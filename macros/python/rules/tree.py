"""The rule language as a tree: features, clauses, rules, segments, segmentations."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, TypeVar

Kind = Literal["number", "text", "date", "boolean"]

WHOLE_NUMBERS = ("tinyint", "smallint", "int", "integer", "bigint", "hugeint")
KINDS: dict[str, Kind] = {"varchar": "text", "string": "text", "text": "text", "date": "date", "boolean": "boolean"}

# What scores by frozen cut points are scored from.
SCORED_COLUMNS = {
    "recency": ("orders_365d", "days_since_last_order"),
    "frequency": ("orders_365d",),
    "monetary": ("orders_365d", "net_sales_365d"),
}

# The bits of clauses have to fit into a bigint.
MOST_CLAUSES = 62

T = TypeVar("T")


@dataclass(frozen=True)
class Feature:
    """A column of customer_features, or the age in days of a date there, that rules may name.

    Attributes:
        name: as rules write it.
        data_type: the type of its values in the warehouse, lower case.
        is_protected: whether a rule needs a written reason to use it.
        age_of: the date whose age it is, if it is not a column itself.
        score_of: the measure that it scores by cut points frozen on a day; None where the column is the score.
    """

    name: str
    data_type: str
    is_protected: bool = False
    age_of: str | None = None
    score_of: str | None = None

    @property
    def kind(self) -> Kind:
        """What its values can be compared with."""
        return KINDS.get(self.data_type, "number")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of customer_features that it is read from."""
        if self.age_of:
            return (self.age_of, "as_of_date")
        return SCORED_COLUMNS[self.score_of] if self.score_of else (self.name,)

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return self.data_type in WHOLE_NUMBERS


@dataclass(frozen=True)
class Percentile:
    """The population's nth percentile of a feature on the day."""

    n: int


Value = Decimal | date | bool | str | Percentile


@dataclass(frozen=True)
class Clause:
    """`feature operator values`; false where the feature or a percentile is missing."""

    feature: Feature
    operator: str
    values: tuple[Value, ...]

    @cached_property
    def percentiles(self) -> tuple[int, ...]:
        """The percentiles that it compares with."""
        return tuple(value.n for value in self.values if isinstance(value, Percentile))

    def __str__(self) -> str:
        """As people read it, and as rule versions know it: spelled one way."""
        words = [value_text(value) for value in self.values]
        listed = f"({', '.join(words)})" if self.operator in ("in", "not in") else " and ".join(words)
        return " ".join(part for part in (self.feature.name, self.operator, listed) if part)


@dataclass(frozen=True)
class InSegment:
    """Holds for customers whom another segmentation puts into a segment on the same day."""

    segmentation: str
    segment: str

    def __str__(self) -> str:
        """As people read it."""
        return f"in {self.segmentation}.{self.segment}"


@dataclass(frozen=True)
class All:
    """Holds if all parts hold."""

    parts: tuple[Rule, ...]


@dataclass(frozen=True)
class AnyOf:
    """Holds if at least one part holds."""

    parts: tuple[Rule, ...]


@dataclass(frozen=True)
class Not:
    """Holds if the part does not."""

    part: Rule


Leaf = Clause | InSegment
Rule = Leaf | All | AnyOf | Not


def fold(
    rule: Rule,
    leaf: Callable[[Leaf], T],
    negate: Callable[[T], T],
    all_of: Callable[[list[T]], T],
    any_of: Callable[[list[T]], T],
) -> T:
    """A rule computed from its leaves up."""
    match rule:
        case All(parts):
            return all_of([fold(part, leaf, negate, all_of, any_of) for part in parts])
        case AnyOf(parts):
            return any_of([fold(part, leaf, negate, all_of, any_of) for part in parts])
        case Not(part):
            return negate(fold(part, leaf, negate, all_of, any_of))
        case _:
            return leaf(rule)


def signed_leaves(rule: Rule, is_wanted: bool = True) -> Iterator[tuple[Leaf, bool]]:
    """The clauses of a rule in order, and whether the rule wants each to hold (an even number of nots above it)."""
    match rule:
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from signed_leaves(part, is_wanted)
        case Not(part):
            yield from signed_leaves(part, not is_wanted)
        case _:
            yield rule, is_wanted


def rule_text(rule: Rule, is_nested: bool = False) -> str:
    """A rule in words."""
    match rule:
        case All(parts) | AnyOf(parts):
            joint = " and " if isinstance(rule, All) else " or "
            text = joint.join(rule_text(part, is_nested or len(parts) > 1) for part in parts)
            return f"({text})" if is_nested and len(parts) > 1 else text
        case Not(part):
            return f"not ({rule_text(part)})"
        case _:
            return str(rule)


def value_text(value: Value) -> str:
    """A value as rules write it."""
    match value:
        case Percentile(n):
            return f"p{n}"
        case bool():
            return str(value).lower()
        case Decimal():
            return format(value, "f")
        case date():
            return value.isoformat()
        case _:
            return f"'{value}'"


@dataclass(frozen=True)
class Share:
    """The limits of a segment's share of the customers, from 0 to 1, and why these."""

    minimum: float
    maximum: float
    reason: str


@dataclass(frozen=True)
class Claim:
    """What a persona says in numbers: that a feature lies above or below that of the others, or mostly is a value."""

    feature: str
    claim: Literal["above", "below", "mostly"]
    value: str | None


@dataclass(frozen=True)
class Segment:
    """A segment of a segmentation.

    Attributes:
        name: its key.
        label: what people call it.
        position: its place among the segments, from 1; the first whose rule holds takes a customer.
        rule: None for the last one, which takes everybody else.
        source: the rule as the YAML has it.
        is_immediate: whether a move into it counts at once, without confirmation.
        share: limits of its share of the customers, if it has its own.
        description: what it is.
        persona: who its customers are, in a sentence.
        claims: what the persona says in numbers.
        owner: who answers for it.
        strategy: approach, offer and channels, by name.
    """

    name: str
    label: str
    position: int
    rule: Rule | None
    source: Any
    is_immediate: bool
    share: Share | None
    description: str
    persona: str | None
    claims: tuple[Claim, ...]
    owner: str
    strategy: Mapping[str, Any]

    @cached_property
    def rule_text(self) -> str:
        """Its rule in words."""
        return rule_text(self.rule) if self.rule else "everybody else"


@dataclass(frozen=True)
class Segmentation:
    """An ordered list of segments, of which every customer is in exactly one on every day.

    Attributes:
        name: its key, which is also the name of its model.
        label: what people call it.
        description: what it is for.
        owner: who answers for it.
        status: active, challenger or retired.
        challenger_of: the active segmentation that a challenger is compared with.
        confirm_days: how many days in a row a new segment has to be decided before a move counts.
        frozen_on: the day whose cut points it uses from then on.
        segments: in order.
        below: the segmentations that it builds on, at any depth, by name.
    """

    name: str
    label: str
    description: str
    owner: str
    status: Literal["active", "challenger", "retired"]
    challenger_of: str | None
    confirm_days: int
    frozen_on: date | None
    segments: tuple[Segment, ...]
    below: Mapping[str, Segmentation] = field(default_factory=dict)

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """Its different clauses, in the order of the rules; the place of a clause is its bit."""
        found = (leaf for segment in self.segments if segment.rule for leaf, _ in signed_leaves(segment.rule))
        return tuple({str(leaf): leaf for leaf in found}.values())

    @cached_property
    def clauses(self) -> tuple[Clause, ...]:
        """Those of its clauses that are about features."""
        return tuple(leaf for leaf in self.leaves if isinstance(leaf, Clause))

    @cached_property
    def bits(self) -> dict[str, int]:
        """The bit of each clause, by its text."""
        return {str(leaf): 2**place for place, leaf in enumerate(self.leaves)}

    @cached_property
    def asked(self) -> tuple[str, ...]:
        """The segmentations whose segments its own rules ask for."""
        return tuple(dict.fromkeys(leaf.segmentation for leaf in self.leaves if isinstance(leaf, InSegment)))

    @property
    def builds_on(self) -> list[str]:
        """The names of the segmentations that it builds on, at any depth."""
        return sorted(self.below)

    @cached_property
    def rule_version(self) -> str:
        """A hash of what decides: the rules in order, and what they rest on."""
        deciding = [f"{segment.name}: {segment.rule_text}" for segment in self.segments]
        if self.frozen_on:
            deciding.append(f"frozen on {self.frozen_on}")
        deciding += [f"{name} {self.below[name].rule_version}" for name in self.builds_on]
        return hashlib.md5("\n".join(deciding).encode(), usedforsecurity=False).hexdigest()[:12]

    def segment(self, name: str) -> Segment:
        """One of its segments."""
        return next(segment for segment in self.segments if segment.name == name)

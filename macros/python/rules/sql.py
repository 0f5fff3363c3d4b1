"""Rules as SQL, over the columns of customer_features and of what is joined to it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from macros.python.rules.tree import (
    All,
    AnyOf,
    Clause,
    Feature,
    InSegment,
    Leaf,
    Not,
    Percentile,
    Rule,
    Segmentation,
    Value,
    fold,
    value_text,
)

SCORE_PERCENTILES = (20, 40, 60, 80)
# What scores score, as SQL: more recent, more often and more money are higher.
SCORED = {
    "recency": "-customer_features.days_since_last_order",
    "frequency": "customer_features.orders_365d",
    "monetary": "customer_features.net_sales_365d",
}


@dataclass(frozen=True)
class Dialect:
    """How an engine writes what engines write differently.

    Attributes:
        text: the name of the type of texts.
        days_between: whole days from one date to another.
    """

    text: str
    days_between: Callable[[str, str], str]


DUCKDB = Dialect("varchar", lambda first, second: f"({second} - {first})")
# Left to dbt, which knows the engine when it builds.
DBT = Dialect("{{ dbt.type_string() }}", lambda first, second: f'{{{{ days_between("{first}", "{second}") }}}}')


def feature_sql(feature: Feature, dialect: Dialect, score_cut_points: str = "score_cut_points") -> str:
    """A customer's value of a feature; scores by frozen cut points read a relation that has those of the day."""
    if feature.age_of:
        return dialect.days_between(f"customer_features.{feature.age_of}", "customer_features.as_of_date")
    if feature.score_of:
        measure = SCORED[feature.score_of]
        steps = " + ".join(
            f"case when {score_cut_points}.{feature.score_of}_p{percentile} < {measure} then 1 else 0 end"
            for percentile in SCORE_PERCENTILES
        )
        return f"case when customer_features.orders_365d > 0 then cast(1 + {steps} as bigint) end"
    return f"customer_features.{feature.name}"


def literal(value: Value, feature: Feature) -> str:
    """A value that a clause compares with."""
    match value:
        case Percentile(n):
            return f"rule_cut_points.{feature.name}_p{n}"
        case date():
            return f"cast('{value}' as date)"
        case _:
            return value_text(value)


def compared(clause: Clause, value: str) -> str:
    """Whether a value, as SQL, compares as a clause says; null where it is missing."""
    literals = [literal(each, clause.feature) for each in clause.values]
    right = f"({', '.join(literals)})" if clause.operator in ("in", "not in") else " and ".join(literals)
    operator = "<>" if clause.operator == "!=" else clause.operator
    return f"{value} {operator} {right}".rstrip()


def leaf_sql(leaf: Leaf, dialect: Dialect) -> str:
    """Whether a clause holds: true, false, or null if something is missing, which `when` and `where` take for false."""
    if isinstance(leaf, InSegment):
        return f"{leaf.segmentation}.segment = '{leaf.segment}'"
    return compared(leaf, feature_sql(leaf.feature, dialect))


def never_null(leaf: Leaf, sql: str) -> str:
    """A clause's SQL made false where something is missing, as `not` needs it."""
    if isinstance(leaf, Clause) and leaf.operator in ("is null", "is not null"):
        return sql
    return f"coalesce({sql}, false)"


def rule_sql(rule: Rule, dialect: Dialect, is_negated: bool = False, is_nested: bool = False) -> str:
    """Whether a rule holds, in one expression. Under a `not` it is never null."""
    match rule:
        case All(parts) | AnyOf(parts):
            joint = " and " if isinstance(rule, All) else " or "
            is_list = len(parts) > 1
            text = joint.join(rule_sql(part, dialect, is_negated, is_nested or is_list) for part in parts)
            return f"({text})" if is_nested and is_list else text
        case Not(part):
            return f"not ({rule_sql(part, dialect, is_negated=True)})"
        case leaf:
            sql = leaf_sql(leaf, dialect)
            return never_null(leaf, sql) if is_negated else sql


def rule_lines(
    rule: Rule, dialect: Dialect, width: int, is_negated: bool = False, is_nested: bool = False
) -> list[str]:
    """The same, a clause a line where one line would be wider than that."""
    whole = rule_sql(rule, dialect, is_negated, is_nested)
    match rule:
        case All(parts) | AnyOf(parts) if len(parts) == 1:
            return rule_lines(parts[0], dialect, width, is_negated, is_nested)
        case All(parts) | AnyOf(parts) if not is_nested or len(whole) > width:
            joint = "and " if isinstance(rule, All) else "or "
            lines = []
            for number, part in enumerate(parts):
                first, *others = rule_lines(part, dialect, width - 8, is_negated, is_nested=True)
                lines += [f"{joint if number else ''}{first}", *others]
            return _bracketed("(", lines) if is_nested else lines
        case Not(part) if len(whole) > width:
            return _bracketed("not (", rule_lines(part, dialect, width - 4, is_negated=True))
    return [whole]


def _bracketed(opening: str, lines: list[str]) -> list[str]:
    return [opening, *(f"    {line}" for line in lines), ")"]


def joins(segmentation: Segmentation) -> list[str]:
    """What the clauses of a segmentation compare with, joined to customer_features, line by line."""
    day = cut_point_day(segmentation, "customer_features.as_of_date")
    lines = []
    if any(clause.percentiles for clause in segmentation.clauses):
        lines += ["left join rule_cut_points", f"    on {day} = rule_cut_points.as_of_date"]
    if any(clause.feature.score_of for clause in segmentation.clauses):
        lines += ["left join score_cut_points", f"    on {day} = score_cut_points.as_of_date"]
    for name in segmentation.asked:
        lines += [
            f"left join {name}",
            "    on",
            f"        customer_features.customer_id = {name}.customer_id",
            f"        and customer_features.as_of_date = {name}.as_of_date",
        ]
    return lines


def cut_point_day(segmentation: Segmentation, day: str) -> str:
    """The day whose cut points count on a day: the same one, or the day on which they are frozen if that is earlier."""
    return f"least({day}, cast('{segmentation.frozen_on}' as date))" if segmentation.frozen_on else day


@dataclass(frozen=True)
class Bit:
    """A clause that counts its bit while it holds."""

    holds: str
    value: int

    @property
    def sql(self) -> str:
        """The bit, or 0."""
        return f"case when {self.holds} then {self.value} else 0 end"


def held_bits(segmentation: Segmentation, dialect: Dialect) -> list[Bit]:
    """A bit for each clause, as summands."""
    return [Bit(leaf_sql(leaf, dialect), 2**place) for place, leaf in enumerate(segmentation.leaves)]


def cut_point(value: str, percentile: int) -> str:
    """The smallest value of a group whose cumulative share is at least the percentile, as the macro cut_point."""
    return f"cast(percentile_disc({percentile / 100}) within group (order by {value}) as double)"


def percentiles_of(segmentations: Iterable[Segmentation]) -> list[tuple[Feature, int]]:
    """The percentiles that rules compare with, each once and in order."""
    found = {
        (clause.feature.name, n): clause.feature
        for segmentation in segmentations
        for clause in segmentation.clauses
        for n in clause.percentiles
    }
    return [(found[key], key[1]) for key in sorted(found)]


@dataclass(frozen=True)
class Deciding:
    """A rule over the bits of the clauses that hold.

    Attributes:
        holds: whether it holds.
        because: the bits of the clauses on account of which it holds; 0 where it does not.
        despite: the bits of those on account of which it does not hold; 0 where it does.
    """

    holds: str
    because: str
    despite: str


def deciding(rule: Rule, bits: dict[str, int], held: str) -> Deciding:
    """Which clauses decide a rule, as SQL over a column of bits.

    All parts decide that an `all` holds, the failing ones that it does not; with `any` it is the other way round.
    """

    def leaf(each: Leaf) -> Deciding:
        bit = bits[str(each)]
        return Deciding(f"({held} & {bit}) <> 0", f"({held} & {bit})", f"({bit} - ({held} & {bit}))")

    def all_of(parts: list[Deciding]) -> Deciding:
        holds = _joined(" and ", [part.holds for part in parts])
        because = _joined(" | ", [part.because for part in parts])
        despite = _joined(" | ", [part.despite for part in parts])
        return Deciding(holds, f"case when {holds} then {because} else 0 end", despite)

    def negate(part: Deciding) -> Deciding:
        return Deciding(f"not ({part.holds})", part.despite, part.because)

    def any_of(parts: list[Deciding]) -> Deciding:
        holds = _joined(" or ", [part.holds for part in parts])
        because = _joined(" | ", [part.because for part in parts])
        despite = _joined(" | ", [part.despite for part in parts])
        return Deciding(holds, because, f"case when {holds} then 0 else {despite} end")

    return fold(rule, leaf, negate, all_of, any_of)


def _joined(joint: str, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"({joint.join(parts)})"

"""What no customer could show: segments out of reach, clauses that decide nothing, versions that are the same.

Every verdict is a proof by the solver z3 over all possible customers, not a search among those of today. A possible
customer is one whose features keep to the domains that models/features/_features.yml declares, which a dbt test holds
to the data: the more is declared, the more can be proved. An example may be a customer that only an undeclared fact
rules out; a proof that there is none needs no such reservation.

Percentiles are constants that nobody knows but by their order and the domain of their feature, the same for all rules
of a proof; those of frozen cut points are others than those of the day. They are taken to exist: on a day on which
no customer has a value of the feature there is no cut point, and its clauses hold for nobody.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

import z3

from macros.python.rules.features import Domain
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
    fold,
)
from macros.python.rules.tree import Value as Written

Definitions = Mapping[str, Segmentation]
Domains = Mapping[str, Domain]
Value = bool | int | float | str | date | None

SORTS: dict[str, Callable[[str], z3.ExprRef]] = {
    "number": z3.Real,
    "whole number": z3.Int,
    # Days as ordinals; texts as numbers given to the texts that rules mention, any other number being any other text.
    "date": z3.Int,
    "text": z3.Int,
    "boolean": z3.Bool,
}
COMPARISONS: dict[str, Callable[..., z3.BoolRef]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "between": lambda value, lowest, highest: z3.And(value >= lowest, value <= highest),
    "in": lambda value, *listed: z3.Or([value == one for one in listed]),
    "not in": lambda value, *listed: z3.And([value != one for one in listed]),
}
AS_OF_DATE = "as_of_date"


@dataclass(frozen=True)
class Example:
    """A possible customer, as far as the rules in question look at them.

    Attributes:
        features: the values of features by name, None where missing; with the as-of date where ages matter.
        cut_points: the values of percentiles, by names such as 'p80 of orders_365d'.
    """

    features: dict[str, Value]
    cut_points: dict[str, Value]

    @property
    def values(self) -> dict[str, str]:
        """Everything in words for people: numbers, texts, days as ISO, 'missing'."""
        return {name: _in_words(value) for name, value in (self.features | self.cut_points).items()}


@dataclass(frozen=True)
class Unreachable:
    """A segment that no customer can ever be in.

    Attributes:
        covered_by: the earlier segments whose rules together take everybody it asks for, none of them dispensable,
            in order; empty where its own rule never holds.
    """

    segmentation: str
    segment: str
    covered_by: tuple[str, ...]


@dataclass(frozen=True)
class FixedClause:
    """A clause whose place in its rule could as well say true, or false: the rule would take the same customers.

    Attributes:
        always: what could stand in its place; true where either could.
    """

    segmentation: str
    segment: str
    clause: str
    always: bool


@dataclass(frozen=True)
class Difference:
    """A possible customer whom two versions of a segmentation put into different segments, before and after."""

    example: Example
    before: str
    after: str


def unreachable_segments(definitions: Definitions, domains: Domains) -> list[Unreachable]:
    """Find the segments that nobody can be in, default segments included.

    Args:
        definitions: by name, with all those that their rules name by in_segment.
        domains: what is known of features, by name.
    """
    world = _World(domains)
    found = []
    for name, definition in definitions.items():
        earlier: dict[str, z3.BoolRef] = {}
        for segment in definition.segments:
            own = world.rule(segment.rule, definition, definitions)
            if not world.allows(own, *map(z3.Not, earlier.values())):
                found.append(Unreachable(name, segment.name, tuple(_covering(world, own, earlier))))
            earlier[segment.name] = own
    return found


def example_customer(definitions: Definitions, segmentation: str, segment: str, domains: Domains) -> Example | None:
    """A possible customer of a segment, by the features that its rule and earlier rules mention; None if unreachable.

    Args:
        definitions: by name, with all those that their rules name by in_segment.
        segmentation: the name of one of them.
        segment: the name of one of its segments.
        domains: what is known of features, by name.
    """
    world = _World(domains)
    taken = world.takes(definitions[segmentation], definitions)[segment]
    model = world.customer(taken)
    return world.example(model, [taken]) if model else None


def fixed_clauses(definitions: Definitions, domains: Domains) -> list[FixedClause]:
    """Find the clauses that are always true, or always false, as far as their own rule goes; one for each place.

    Args:
        definitions: by name, with all those that their rules name by in_segment.
        domains: what is known of features, by name.
    """
    world = _World(domains)
    found = []
    for name, definition in definitions.items():
        for segment in definition.segments:
            if segment.rule is None:
                continue
            own = world.rule(segment.rule, definition, definitions)
            for leaf, replaced in _places(segment.rule):
                for always in (True, False):
                    if not world.allows(z3.Xor(own, world.rule(replaced(Constant(always)), definition, definitions))):
                        found.append(FixedClause(name, segment.name, str(leaf), always))
                        break
    return found


def difference(before: Definitions, after: Definitions, segmentation: str, domains: Domains) -> Difference | None:
    """Whom two versions of a segmentation treat differently; None if each segment takes the same customers, always.

    Segments are the same if they have the same name.

    Args:
        before: by name: the old version, and what it names by in_segment.
        after: the same of the new version.
        segmentation: the name of the segmentation, in both.
        domains: what is known of features, by name.
    """
    world = _World(domains)
    old = world.takes(before[segmentation], before)
    new = world.takes(after[segmentation], after)
    stays = z3.Or([z3.And(old[name], new[name]) for name in old if name in new])
    model = world.customer(z3.Not(stays))
    if model is None:
        return None
    left = next(name for name, taken in old.items() if _holds(model, taken))
    entered = next(name for name, taken in new.items() if _holds(model, taken))
    # The same move, now by a customer with as few oddities as it allows.
    moves = [old[left], new[entered]]
    return Difference(world.example(world.customer(*moves), moves), left, entered)


@dataclass(frozen=True)
class Constant:
    """True or false in the place of a clause."""

    value: bool


@dataclass(frozen=True)
class _Variable:
    """A feature of the customer, or a cut point, as the solver has it; a cut point is never missing."""

    name: str
    kind: str
    value: z3.ExprRef
    missing: z3.BoolRef


class _World:
    """One customer, known only by the domains of features, and the cut points of the day."""

    def __init__(self, domains: Domains) -> None:
        self.domains = domains
        self.solver = z3.Solver()
        self.as_of_date = z3.Int(AS_OF_DATE)
        self.solver.add(self.as_of_date >= 1, self.as_of_date <= date.max.toordinal())
        self.features: dict[tuple[str, date | None], _Variable] = {}
        self.cut_points: dict[tuple[str, int, date | None], _Variable] = {}
        self.texts: dict[str, int] = {}
        for feature in self.domains:
            self.feature(feature)

    # What rules say

    def takes(self, definition: Segmentation, definitions: Definitions) -> dict[str, z3.BoolRef]:
        """Whether each segment takes the customer: its rule holds and no earlier one does."""
        taken: dict[str, z3.BoolRef] = {}
        earlier: list[z3.BoolRef] = []
        for segment in definition.segments:
            own = self.rule(segment.rule, definition, definitions)
            taken[segment.name] = z3.And(own, *map(z3.Not, earlier))
            earlier.append(own)
        return taken

    def rule(self, rule: Rule | Constant | None, definition: Segmentation, definitions: Definitions) -> z3.BoolRef:
        """Whether a rule of a definition holds; that of a default segment always does."""
        if rule is None:
            return z3.BoolVal(True)

        def leaf(each: Leaf | Constant) -> z3.BoolRef:
            match each:
                case Constant(value):
                    return z3.BoolVal(value)
                case InSegment(segmentation, segment):
                    return self.takes(definitions[segmentation], definitions)[segment]
                case _:
                    return self.clause(each, definition.frozen_on)

        return fold(rule, leaf, z3.Not, z3.And, z3.Or)

    def clause(self, clause: Clause, frozen_on: date | None = None) -> z3.BoolRef:
        """Whether a clause holds; a missing value holds none but `is null`."""
        # Scores by frozen cut points are other features than those of the day.
        feature = self.feature(clause.feature.name, frozen_on if clause.feature.score_of else None)
        if clause.operator == "is null":
            return feature.missing
        if clause.operator == "is not null":
            return z3.Not(feature.missing)
        return z3.And(z3.Not(feature.missing), self.compared(feature, clause, frozen_on))

    def compared(self, variable: _Variable, clause: Clause, frozen_on: date | None = None) -> z3.BoolRef:
        """Whether a value that is there compares with a clause's values as it says."""
        values = [self.literal(value, clause.feature, variable.kind, frozen_on) for value in clause.values]
        return COMPARISONS[clause.operator](variable.value, *values)

    def literal(self, value: Written, feature: Feature, kind: str, frozen_on: date | None) -> z3.ExprRef:
        """A value of a clause as a value of the feature's kind."""
        match value:
            case Percentile(n):
                return self.cut_point(feature.name, n, frozen_on).value
            case bool():
                return z3.BoolVal(value)
            case date():
                return z3.IntVal(value.toordinal())
            case str():
                return z3.IntVal(self.texts.setdefault(value, len(self.texts)))
            case Decimal() if kind == "whole number":
                number = Fraction(value)
                return z3.IntVal(int(number)) if number.denominator == 1 else z3.RealVal(number)
            case _:
                # The warehouse compares doubles with the double nearest to what the rule says.
                return z3.RealVal(Fraction(float(value)))

    # What is known of customers

    def feature(self, name: str, frozen_on: date | None = None) -> _Variable:
        """A feature of the customer, of which the solver learns the domain at the first mention."""
        key = name, frozen_on
        if key not in self.features:
            title = f"{name} by cut points of {frozen_on}" if frozen_on else name
            # Known before its domain is, since domains refer to each other.
            self.features[key] = variable = _variable(title, self.domains[name].feature)
            self.solver.add(*self.facts(variable, self.domains[name]))
        return self.features[key]

    def facts(self, own: _Variable, domain: Domain) -> Iterator[z3.BoolRef]:
        """What a feature's domain says, for the solver."""
        known = z3.Not(own.missing)
        is_zero = domain.is_optional or not domain.is_nullable
        absent = own.value == 0 if is_zero else own.missing
        undelivered = z3.And(own.missing, domain.is_optional)
        if not domain.is_nullable:
            yield known
        if own.kind == "date":
            yield z3.Implies(known, z3.And(own.value >= 1, own.value <= date.max.toordinal()))
        for bound in domain.bounds:
            yield z3.Implies(known, self.compared(own, bound))
        for name in domain.at_most:
            other = self.feature(name)
            yield z3.Implies(z3.And(known, z3.Not(other.missing)), own.value <= other.value)
        if domain.only_when:
            yield z3.Or(undelivered, self.clause(domain.only_when), absent)
        if domain.exactly_when:
            yield z3.Or(undelivered, self.clause(domain.exactly_when) == z3.Not(absent))
        if domain.age_of:
            begin = self.feature(domain.age_of)
            yield own.missing == begin.missing
            yield z3.Implies(known, own.value == self.as_of_date - begin.value)

    def cut_point(self, feature: str, percentile: int, frozen_on: date | None) -> _Variable:
        """A percentile of a feature: some value of it, in order with the feature's other percentiles."""
        key = feature, percentile, frozen_on
        if key not in self.cut_points:
            domain = self.domains[feature]
            title = f"p{percentile} of {feature}" + (f" on {frozen_on}" if frozen_on else "")
            own = _variable(title, domain.feature)
            self.solver.add(*(self.compared(own, bound) for bound in domain.bounds))
            for (other_feature, other_percentile, other_frozen_on), other in self.cut_points.items():
                if (other_feature, other_frozen_on) == (feature, frozen_on):
                    below, above = (own, other) if percentile < other_percentile else (other, own)
                    self.solver.add(below.value <= above.value)
            self.cut_points[key] = own
        return self.cut_points[key]

    # What is possible

    def allows(self, *conditions: z3.BoolRef) -> bool:
        """Whether there is a possible customer for whom all conditions hold."""
        return self.customer(*conditions) is not None

    def customer(self, *conditions: z3.BoolRef) -> z3.ModelRef | None:
        """A possible customer for whom all conditions hold."""
        self.solver.push()
        try:
            self.solver.add(*conditions)
            verdict = self.solver.check()
            if verdict == z3.unknown:
                raise RuntimeError(f"The solver gave up on a proof: {self.solver.reason_unknown()}.")
            return self.solver.model() if verdict == z3.sat else None
        finally:
            self.solver.pop()

    def example(self, model: z3.ModelRef, conditions: list[z3.BoolRef]) -> Example:
        """The customer of a model that conditions hold for, or a plainer one: few values missing, a day of today."""
        mentioned = _names_in(conditions)
        features = [
            (key, one) for key, one in self.features.items() if mentioned & {one.name, f"{one.name} is missing"}
        ]
        dates = {self.domains[name].age_of for (name, _), _ in features if self._is_derived(name)}
        features += [((name, None), self.feature(name)) for name in dates if name not in dict(features)]
        cut_points = [one for one in self.cut_points.values() if one.name in mentioned]
        wishes = [self.as_of_date >= date(2000, 1, 1).toordinal(), self.as_of_date < date(2100, 1, 1).toordinal()]
        granted = list(conditions)
        for wish in [*wishes, *(z3.Not(one.missing) for _, one in features)]:
            plainer = self.customer(*granted, wish)
            if plainer is not None:
                model, granted = plainer, [*granted, wish]
        values = {one.name: self.value(model, one) for _, one in features}
        if any(one.kind == "date" for _, one in features):
            values[AS_OF_DATE] = date.fromordinal(model.eval(self.as_of_date, model_completion=True).as_long())
        return Example(values, {one.name: self.value(model, one) for one in cut_points})

    def value(self, model: z3.ModelRef, variable: _Variable) -> Value:
        """What a variable is in a model."""
        if _holds(model, variable.missing):
            return None
        value = model.eval(variable.value, model_completion=True)
        if variable.kind == "boolean":
            return z3.is_true(value)
        if variable.kind == "number":
            return float(value.as_fraction())
        number = value.as_long()
        if variable.kind == "date":
            return date.fromordinal(number)
        if variable.kind == "text":
            return next((text for text, code in self.texts.items() if code == number), self.another_text())
        return number

    def another_text(self) -> str:
        """A text that no rule mentions."""
        text = "anything else"
        while text in self.texts:
            text += "!"
        return text

    def _is_derived(self, feature: str) -> bool:
        return self.domains[feature].feature.age_of is not None


def _variable(title: str, feature: Feature) -> _Variable:
    kind = "whole number" if feature.is_whole else feature.kind
    return _Variable(title, kind, SORTS[kind](title), z3.Bool(f"{title} is missing"))


def _covering(world: _World, own: z3.BoolRef, earlier: Mapping[str, z3.BoolRef]) -> list[str]:
    """The earlier rules that together leave nobody for a rule, the first such where there is a choice."""
    needed = dict(earlier)
    for name in reversed(earlier):
        others = [rule for other, rule in needed.items() if other != name]
        if not world.allows(own, *map(z3.Not, others)):
            del needed[name]
    return list(needed)


def _places(rule: Rule) -> Iterator[tuple[Leaf, Callable[[Constant], Rule]]]:
    """The clauses of a rule, one for each time it stands there, and the rule with a constant instead."""
    match rule:
        case Not(part):
            for leaf, replaced in _places(part):
                yield leaf, lambda constant, replaced=replaced: Not(replaced(constant))
        case All(parts) | AnyOf(parts):
            for index, part in enumerate(parts):
                before, after = parts[:index], parts[index + 1 :]
                for leaf, replaced in _places(part):
                    yield (
                        leaf,
                        lambda constant, before=before, replaced=replaced, after=after: type(rule)(
                            (*before, replaced(constant), *after)
                        ),
                    )
        case _:
            yield rule, lambda constant: constant


def _names_in(conditions: Iterable[z3.BoolRef]) -> set[str]:
    """The names of the variables in formulas."""
    names: set[str] = set()
    seen: set[int] = set()
    waiting: list[z3.ExprRef] = list(conditions)
    while waiting:
        expression = waiting.pop()
        if expression.get_id() in seen:
            continue
        seen.add(expression.get_id())
        waiting += expression.children()
        if z3.is_const(expression) and expression.decl().kind() == z3.Z3_OP_UNINTERPRETED:
            names.add(expression.decl().name())
    return names


def _holds(model: z3.ModelRef, condition: z3.BoolRef) -> bool:
    return z3.is_true(model.eval(condition, model_completion=True))


def _in_words(value: Value) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)

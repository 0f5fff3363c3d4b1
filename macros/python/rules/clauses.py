"""Reads rules as YAML has them: clauses are text, `feature operator value`, and all, any and not combine them.

Nothing of a clause's text reaches SQL but names of features, numbers, dates, true, false and quoted text.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from macros.python.rules.mistakes import Mistakes, did_you_mean, nearest
from macros.python.rules.tree import All, AnyOf, Clause, Feature, InSegment, Not, Percentile, Rule, Value

DEEPEST = 20
COMPARISONS = (">=", "<=", "!=", "=", "<", ">")
WORDS = ("between", "in", "not in", "is null", "is not null")
ORDERED = ("<", "<=", ">", ">=", "between")
COMBINED = ("all", "any", "not", "in_segment")
FORM = f"operators are {' '.join(COMPARISONS)}, {', '.join(WORDS)}"
NOT_OPERATORS = {
    **{"==": "=", "=>": ">=", "=<": "<=", "<>": "!=", "=!": "!=", "<<": "<", ">>": ">"},
    **{"like": "=", "is": "is null"},
}

FEATURE = "[A-Za-z_][A-Za-z0-9_]*"
COMPARISON = "|".join(COMPARISONS)
# How each word of an operator may be spaced.
SPACED = {word: word.replace(" ", r"\s+") for word in WORDS}
WORD = "|".join(SPACED.values())
CLAUSE = re.compile(
    rf"({FEATURE})(?:\s*({COMPARISON})\s*|\s+({WORD})(?![A-Za-z0-9_])\s*)(.*)",
    re.DOTALL,
)
ATTEMPT = re.compile(
    rf"{FEATURE}"
    r"(?:\s*([=<>!~]+)|\s+([A-Za-z]+(?:\s+(?:null|in|like|between|not\s+null)(?![A-Za-z0-9_]))?))"
)
NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
QUOTED = re.compile(r"'[^'\\{}\x00-\x1f\x7f]*'")
BARE = re.compile(r"[A-Za-z0-9_+.][A-Za-z0-9_+. -]*")
SEEMS_SQL = re.compile(r"(?i)(null|none|p[0-9]{1,2})|.*\s(and|or|not|in|is|between)\s.*", re.DOTALL)
LISTED = re.compile(r"\((.*)\)|\[(.*)\]", re.DOTALL)
ITEMS = re.compile(r"\s*(?:'[^']*'|[^',]*[^',\s][^',]*)(?:\s*,\s*(?:'[^']*'|[^',]*[^',\s][^',]*))*\s*")
ITEM = re.compile(r"'[^']*'|[^',]*[^', ][^',]*")
SEGMENTATION_NAME = "seg_[a-z0-9_]{1,59}"
SEGMENT_NAME = "[a-z][a-z0-9_]{0,62}"
SEGMENT = re.compile(rf"([a-z][a-z0-9_]*)\.({SEGMENT_NAME})")


class WrongClause(Exception):
    """What is wrong with a clause."""


class _TooDeep(Exception):
    """A rule is nested too deep, or contains itself."""


def parse_rule(
    rule: Any,
    features: Mapping[str, Feature],
    segments: Mapping[str, list[str]],
    mistakes: Mistakes,
    where: str,
) -> Rule | None:
    """A rule as YAML has it, as a tree; None if it is wrong.

    Args:
        rule: a clause, or a mapping with all, any, not or in_segment.
        features: those it may name.
        segments: the names of the segments that it may ask for, by segmentation.
        mistakes: where mistakes are noted.
        where: what the rule is of, for people.
    """
    try:
        return _parse_rule(rule, features, segments, mistakes, where, 0)
    except _TooDeep:
        mistakes.add(where, f"its rule is nested more than {DEEPEST} deep. Flatten it, or split the segment")
        return None


def _parse_rule(
    rule: Any,
    features: Mapping[str, Feature],
    segments: Mapping[str, list[str]],
    mistakes: Mistakes,
    where: str,
    depth: int,
) -> Rule | None:
    if depth > DEEPEST:
        # The parts are left alone: of a rule that contains itself there are too many.
        raise _TooDeep

    def parts_of(parts: Any, key: str, combine: Callable[[tuple[Rule, ...]], Rule]) -> Rule | None:
        if not isinstance(parts, list) or not parts:
            mistakes.add(where, f"'{key}' takes a list of at least one clause")
            return None
        parsed = [_parse_rule(part, features, segments, mistakes, where, depth + 1) for part in parts]
        return combine(tuple(parsed)) if None not in parsed else None

    match rule:
        case str():
            return _noted(lambda: parse_clause(rule, features), rule, mistakes, where)
        case {"in_segment": name} if len(rule) == 1:
            return _noted(lambda: _parse_in_segment(name, segments), f"in_segment: {name}", mistakes, where)
        case {"all": parts} if len(rule) == 1:
            return parts_of(parts, "all", All)
        case {"any": parts} if len(rule) == 1:
            return parts_of(parts, "any", AnyOf)
        case {"not": part} if len(rule) == 1:
            parsed = _parse_rule(part, features, segments, mistakes, where, depth + 1)
            return Not(parsed) if parsed else None
    (key,) = rule if isinstance(rule, dict) and len(rule) == 1 else (None,)
    hint = f". {did_you_mean(key, COMBINED)}" if key is not None and key not in COMBINED else ""
    mistakes.add(where, f"a rule is a clause, or one of all, any, not and in_segment, not '{rule}'{hint}")
    return None


def _noted(parse: Callable[[], Rule], text: str, mistakes: Mistakes, where: str) -> Rule | None:
    try:
        return parse()
    except WrongClause as wrong:
        mistakes.add(f"{where}, clause '{text}'", str(wrong))
        return None


def _parse_in_segment(name: Any, segments: Mapping[str, list[str]]) -> InSegment:
    found = SEGMENT.fullmatch(name) if isinstance(name, str) else None
    if not found:
        raise WrongClause("it is not of the form `in_segment: segmentation.segment`")
    segmentation, segment = found.groups()
    if segmentation not in segments:
        raise WrongClause(f"there is no segmentation '{segmentation}'. {did_you_mean(segmentation, segments)}")
    if segment not in segments[segmentation]:
        hint = did_you_mean(segment, segments[segmentation])
        raise WrongClause(f"{segmentation} has no segment '{segment}'" + (f". {hint}" if hint else ""))
    return InSegment(segmentation, segment)


def parse_clause(text: str, features: Mapping[str, Feature]) -> Clause:
    """One clause.

    Raises:
        WrongClause: it is none.
    """
    text = text.strip()
    found = CLAUSE.fullmatch(text)
    if not found or re.match("[=<>!~]", found[4]):
        raise WrongClause(_no_clause(text))
    name, operator, rest = found[1], " ".join((found[2] or found[3]).split()), found[4].strip()
    if name not in features:
        raise WrongClause(f"there is no feature '{name}'. {did_you_mean(name, features)}")
    feature = features[name]
    if feature.is_protected:
        raise WrongClause(
            f"'{name}' is a protected attribute. A rule may use it only if the segmentation says why: "
            f"protected_reasons: {{{name}: ...}}"
        )
    words = _words(operator, rest)
    if feature.kind in ("text", "boolean") and operator in ORDERED:
        raise WrongClause(f"'{name}' is {feature.kind}, which has no order. Use =, !=, in or not in")
    values = tuple(_value(word, feature, operator) for word in words)
    if operator == "between" and values[0] > values[1]:
        raise WrongClause(f"between {words[0]} and {words[1]} is never true. Put the lower value first")
    return Clause(feature, operator, values)


def _words(operator: str, rest: str) -> list[str]:
    """The values after an operator, as they are written."""
    match operator:
        case "is null" | "is not null":
            if rest:
                raise WrongClause(f"nothing may follow '{operator}', but there is '{rest}'")
            return []
        case "between":
            bounds = re.fullmatch(r"(\S+)\s+and\s+(\S+)", rest)
            if not bounds:
                raise WrongClause(f"between takes two values, `between 1 and 5`, not '{rest}'")
            return list(bounds.groups())
        case "in" | "not in":
            listed = LISTED.fullmatch(rest)
            if not listed:
                raise WrongClause(
                    f"'{operator}' takes a list, `{operator} (a, b)`, not '{rest}' (in a YAML [list], put a clause "
                    "with commas in quotes)"
                )
            inner = listed[1] or listed[2] or ""
            if not ITEMS.fullmatch(inner):
                raise WrongClause(f"'{inner}' is not a list of values with commas between them")
            return [word.strip() for word in ITEM.findall(inner)]
    return [rest]


def _value(word: str, feature: Feature, operator: str) -> Value:
    match feature.kind:
        case "number":
            percentile = re.fullmatch("p([1-9][0-9]?)", word)
            if percentile and operator in ("<", "<=", ">", ">="):
                return Percentile(int(percentile[1]))
            if NUMBER.fullmatch(word):
                return Decimal(word)
        case "date":
            if day := iso_date(word):
                return day
        case "boolean":
            if word in ("true", "false"):
                return word == "true"
        case "text":
            if QUOTED.fullmatch(word):
                return word[1:-1]
            if not word.startswith("'") and SEEMS_SQL.fullmatch(word):
                raise WrongClause(
                    f"'{word}' is text here. Put it in quotes if you mean that; otherwise write `is null`, and one "
                    "clause for each condition, under all or any"
                )
            if BARE.fullmatch(word) and "--" not in word:
                return word
    expected = {
        "number": "a number such as 12.5, or for < <= > >= a percentile p1 to p99",
        "date": "a date such as 2017-12-31",
        "boolean": "true or false",
        "text": "text such as 'Married'",
    }[feature.kind]
    raise WrongClause(f"'{feature.name}' is of type {feature.data_type}, so its value must be {expected}, not '{word}'")


def _no_clause(text: str) -> str:
    found = ATTEMPT.match(text)
    if not found:
        return f"it is not of the form `feature operator value`; {FORM}"
    operator = found[1] or found[2]
    meant = NOT_OPERATORS.get(operator.lower()) or nearest(operator, WORDS)
    return f"'{operator}' is not an operator. Did you mean '{meant}'? The {FORM}"


def iso_date(text: str) -> date | None:
    """A day written YYYY-MM-DD; None if it is not a valid date."""
    if not ISO_DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None

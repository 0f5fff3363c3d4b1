"""The JSON schema of segmentations' YAML, for editors: they complete keys, show what each means, and mark mistakes.

It is made of the language's own declarations. A schema cannot say everything that the build refuses (docs/rules.md).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from macros.python.rules.clauses import (
    COMBINED,
    COMPARISON,
    COMPARISONS,
    DEEPEST,
    FEATURE,
    SEGMENT_NAME,
    SEGMENTATION_NAME,
    SPACED,
    WORDS,
)
from macros.python.rules.definitions import (
    CUT_POINT_KEYS,
    MOST_CONFIRM_DAYS,
    SEGMENT_KEYS,
    SEGMENTATION_KEYS,
    SHARE_KEYS,
    SIDES,
    STATUSES,
    STRATEGY_KEYS,
    VALUE_CLAIM,
)
from macros.python.rules.features import Catalogue

Schema = dict[str, Any]

ACTIVE, CHALLENGER, RETIRED = STATUSES
# What follows an operator; `[\s\S]` is any character, line ends too.
VALUES = {
    "between": r"\s+\S+\s+and\s+\S+",
    "in": r"\s*(\([\s\S]+\)|\[[\s\S]+\])",
    "not in": r"\s*(\([\s\S]+\)|\[[\s\S]+\])",
    "is null": "",
    "is not null": "",
}


def schema_text(catalogue: Catalogue) -> str:
    """The schema as a file has it."""
    return json.dumps(schema(catalogue), indent=2, ensure_ascii=False) + "\n"


def schema(catalogue: Catalogue) -> Schema:
    """The JSON schema of a segmentation's YAML, for these features."""
    segmentation = _mapping(SEGMENTATION_KEYS, _segmentation_values(catalogue), required=("owner", "segments"))
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Compiled by `python -m flows.compile` from macros/python/rules/schema.py: edit that file.",
        "title": "A segmentation of Tessera",
        "description": (
            "A file models/segmentations/seg_<name>.yml: an ordered list of segments, of which every customer is in "
            "exactly one on every day. The build checks more than editors can (docs/rules.md)."
        ),
        **segmentation,
        # Only a challenger says what it challenges.
        "if": {"properties": {"status": {"const": CHALLENGER}}, "required": ["status"]},
        "then": {"required": ["challenger_of"]},
        "else": {"not": {"required": ["challenger_of"]}},
        "definitions": {
            "segment": _mapping(SEGMENT_KEYS, _segment_values(catalogue), required=("name", "description")),
            "rule": _rule(),
            "number_claim": {
                "enum": list(SIDES),
                "description": "The segment's median is above or below that of all customers.",
            },
            "attribute_claim": _attribute_claim(),
        },
    }


def clause_pattern() -> str:
    """What every clause looks like, for engines of regular expressions that know no flags."""
    compared = rf"\s*({COMPARISON})\s*[^\s=<>!~][\s\S]*"
    words = [rf"\s+{SPACED[word]}{VALUES[word]}" for word in WORDS]
    return rf"^\s*{FEATURE}({'|'.join([compared, *words])})\s*$"


def _segmentation_values(catalogue: Catalogue) -> dict[str, Schema]:
    return {
        "label": _text("Its name for people. Without it, the file's name in words."),
        "description": _text("What it divides customers by, and where its thresholds come from."),
        "owner": _text("The address of the role that answers for it, such as crm-lead@example.com."),
        "status": {
            "enum": list(STATUSES),
            "default": ACTIVE,
            "description": (
                f"{ACTIVE}: customers have a column with its segment. {CHALLENGER}: it runs beside an active one and "
                f"is compared with it. {RETIRED}: it is not built any more; its history stays."
            ),
        },
        "challenger_of": {
            **_text("The active segmentation that a challenger competes with."),
            "pattern": f"^{SEGMENTATION_NAME}$",
        },
        "confirm_days": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_CONFIRM_DAYS,
            "default": 1,
            "description": "A customer has to be in a new segment so many days in a row before the move counts.",
        },
        "cut_points": _mapping(
            CUT_POINT_KEYS,
            {
                "frozen_on": {
                    "type": "string",
                    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
                    "description": "The day, as YYYY-MM-DD. From then on its cut points count.",
                }
            },
            required=CUT_POINT_KEYS,
            description=(
                "Freezes percentiles and scores on a day, so that customers do not move because others change. Without "
                "it every day has its own."
            ),
        ),
        "protected_reasons": {
            "type": "object",
            "propertyNames": {"enum": [name for name, each in catalogue.features.items() if each.is_protected]},
            "additionalProperties": {"type": "string", "minLength": 1},
            "description": "Why rules may use a protected attribute, by attribute: `marital_status: ...`.",
        },
        "data_tests": {
            "type": "array",
            "items": {"type": ["string", "object"]},
            "description": "dbt's data tests of its model, as dbt's own YAML has them.",
        },
        "segments": {
            "type": "array",
            "minItems": 1,
            "items": {"$ref": "#/definitions/segment"},
            "description": "In order: a customer is in the first one whose rule holds. The last has no rule.",
        },
    }


def _segment_values(catalogue: Catalogue) -> dict[str, Schema]:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "name": {
            "type": "string",
            "pattern": f"^{SEGMENT_NAME}$",
            "description": "Its key: lower case letters, digits and _. A new name is a new segment.",
        },
        "label": _text("Its name for people. Without it, the name in words."),
        "description": _text("Who is in it."),
        "rule": {"$ref": "#/definitions/rule"},
        "share": _mapping(
            SHARE_KEYS,
            {
                "minimum": {**share, "default": 0, "description": "The lowest share, from 0 to 1."},
                "maximum": {**share, "default": 1, "description": "The highest share, from 0 to 1."},
                "reason": _text("Why these limits."),
            },
            required=("reason",),
            description="Limits of its share of the customers on the last day. Nothing is released outside them.",
        ),
        "immediate": {
            "type": "boolean",
            "default": False,
            "description": "A move into it counts at once, whatever confirm_days says.",
        },
        "persona": _text("A typical member, as the owner imagines them."),
        "persona_claims": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                **{key: {"$ref": "#/definitions/number_claim"} for key in catalogue.profiled},
                **{key: {"$ref": "#/definitions/attribute_claim"} for key in catalogue.attributes},
            },
            "description": (
                f"What the persona says in numbers, by feature: `orders_365d: {SIDES[0]}`, or "
                f"`age_band: {{{VALUE_CLAIM}: 65+}}`. Every run checks it."
            ),
        },
        "owner": _text("The address of a role. Without it, the segmentation's owner."),
        "strategy": _mapping(
            STRATEGY_KEYS,
            {
                "approach": _text("What to achieve with its customers, such as grow, retain or win_back."),
                "offer": _text("What to offer them."),
                "channels": {
                    "type": "array",
                    "items": {"type": "string", "minLength": 1},
                    "description": "How to reach them, such as [email, app].",
                },
            },
            description="What is done with its customers.",
        ),
    }


def _attribute_claim() -> Schema:
    value = {
        "type": ["string", "boolean", "number"],
        "description": "The value of more than half of the members whose value is known.",
    }
    return _mapping((VALUE_CLAIM,), {VALUE_CLAIM: value}, (VALUE_CLAIM,), "The value that most members have.")


def _rule() -> Schema:
    rule = {"$ref": "#/definitions/rule"}
    rules = {"type": "array", "minItems": 1, "items": rule}
    values = {
        "all": {**rules, "description": "All of these hold."},
        "any": {**rules, "description": "At least one of these holds."},
        "not": {
            "allOf": [rule],
            "description": "This does not hold. A clause about a missing value does not, so its `not` does.",
        },
        "in_segment": {
            "type": "string",
            "pattern": rf"^{SEGMENTATION_NAME}\.{SEGMENT_NAME}$",
            "description": "Another segmentation puts the customer there on the same day: `segmentation.segment`.",
        },
    }
    return {
        "description": (
            f"A clause, `feature operator value`, or one of {', '.join(COMBINED)}; nested at most {DEEPEST} deep. "
            f"Operators: {' '.join(COMPARISONS)}, {', '.join(WORDS)}. Numbers can also be compared with percentiles, "
            "p1 to p99. Without a value no clause holds but `is null`."
        ),
        "oneOf": [
            {"type": "string", "pattern": clause_pattern()},
            {**_mapping(COMBINED, values), "minProperties": 1, "maxProperties": 1},
        ],
    }


def _mapping(
    keys: Sequence[str], values: Mapping[str, Schema], required: Sequence[str] = (), description: str | None = None
) -> Schema:
    """A mapping that has these keys and no others, in their order."""
    if set(keys) != set(values):
        raise KeyError(f"the schema describes {sorted(values)}, but the language has {sorted(keys)}")
    return {
        "type": "object",
        **({"description": description} if description else {}),
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
        "properties": {key: values[key] for key in keys},
    }


def _text(description: str) -> Schema:
    return {"type": "string", "minLength": 1, "description": description}

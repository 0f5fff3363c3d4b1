"""The JSON schema of a definition, with which editors complete and check what people write."""

import json
from typing import Any

from macros.python.rules.clauses import COMBINED, WORDS
from macros.python.rules.definitions import MOST_CONFIRM_DAYS, SEGMENT_NAME, SEGMENTATION_NAME, STATUSES
from macros.python.rules.features import Catalogue

CLAUSE = (
    r"^\s*[A-Za-z_][A-Za-z0-9_]*("
    r"\s*(>=|<=|!=|=|<|>)\s*[^\s=<>!].*"
    r"|\s+between\s+\S+\s+and\s+\S+"
    r"|\s+(not\s+)?in\s*[\(\[].+[\)\]]"
    r"|\s+is\s+(not\s+)?null"
    r")\s*$"
)


def schema_text(catalogue: Catalogue) -> str:
    """The schema as a file has it."""
    return json.dumps(schema(catalogue), indent=2) + "\n"


def schema(catalogue: Catalogue) -> dict[str, Any]:
    """The schema for these features. The compiler checks more: which features a rule names, and with what values."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A segmentation of Tessera",
        "description": "What models/segmentations/seg_<name>.yml may say; docs/rules.md explains it.",
        **_mapping(
            required=("owner", "segments"),
            label=_text("What people call it."),
            description=_text("What it divides customers by, and where its thresholds come from."),
            owner=_text("The address of the role that answers for it, such as crm-lead@example.com."),
            status={"enum": list(STATUSES), "default": "active"},
            challenger_of=_text("The active segmentation that a challenger is to replace.", f"^{SEGMENTATION_NAME}$"),
            confirm_days={
                **{"type": "integer", "minimum": 1, "maximum": MOST_CONFIRM_DAYS, "default": 1},
                "description": "A move counts once it has held for this many days in a row.",
            },
            cut_points=_mapping(
                required=("frozen_on",),
                frozen_on=_text(
                    "From this day on, percentiles and scores use the cut points of this day.",
                    "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
                ),
            ),
            protected_reasons={
                "type": "object",
                "propertyNames": {"enum": [name for name, each in catalogue.features.items() if each.is_protected]},
                "additionalProperties": _text("Why rules may use this protected attribute."),
            },
            data_tests={"type": "array", "description": "Data tests of the model, as dbt writes them."},
            segments={
                **{"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/segment"}},
                "description": "In order: the first rule that holds wins. The last segment has no rule.",
            },
        ),
        "definitions": {"segment": _segment(catalogue), "rule": _rule()},
    }


def _segment(catalogue: Catalogue) -> dict[str, Any]:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return _mapping(
        required=("name", "description"),
        name=_text("Its key.", f"^{SEGMENT_NAME}$"),
        label=_text("What people call it."),
        description=_text("Who is in it."),
        rule={"$ref": "#/definitions/rule"},
        share={
            **_mapping(required=("reason",), minimum=share, maximum=share, reason=_text("Why these limits.")),
            "description": "Limits of its share of the customers on the last day; nothing is released outside them.",
        },
        immediate={
            **{"type": "boolean", "default": False},
            "description": "A move into it counts at once, whatever confirm_days says.",
        },
        owner=_text("The address of a role; by default that of the segmentation."),
        persona=_text("A typical member, as the owner imagines them."),
        persona_claims={
            "type": "object",
            "propertyNames": {"enum": [*catalogue.profiled, *catalogue.attributes]},
            "additionalProperties": {
                "oneOf": [
                    {"enum": ["above", "below"]},
                    _mapping(
                        required=("mostly",),
                        mostly={
                            "type": ["string", "boolean", "number"],
                            "description": "The value of more than half of those whose value is known.",
                        },
                    ),
                ]
            },
            "description": "What the persona says in numbers, by feature: the segment's median is above or below that "
            "of all customers, or an attribute mostly has a value. Checked on every run.",
        },
        strategy=_mapping(
            approach=_text("How to approach them."),
            offer=_text("What to offer them."),
            channels={"type": "array", "items": _text("A channel.")},
        ),
    )


def _rule() -> dict[str, Any]:
    parts = {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/rule"}}
    kinds = {
        "all": parts,
        "any": parts,
        "not": {"$ref": "#/definitions/rule"},
        "in_segment": _text(
            "segmentation.segment: customers whom the rules of another segmentation put there on the same day.",
            rf"^{SEGMENTATION_NAME}\.{SEGMENT_NAME}$",
        ),
    }
    return {
        "oneOf": [
            _text(f"feature operator value; operators are >= <= != = < >, {', '.join(WORDS)}", CLAUSE),
            {**_mapping(**{key: kinds[key] for key in COMBINED}), "minProperties": 1, "maxProperties": 1},
        ]
    }


def _mapping(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    found = {"type": "object", "additionalProperties": False, "properties": properties}
    return found | ({"required": list(required)} if required else {})


def _text(description: str, pattern: str | None = None) -> dict[str, Any]:
    return {"type": "string", "description": description} | ({"pattern": pattern} if pattern else {"minLength": 1})

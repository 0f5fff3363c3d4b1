"""The JSON schema of segmentations: editors must complain of what the build would refuse, and of nothing else."""

import copy
import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from flows.rules.definitions import RuleError, parse
from flows.steps.project import ROOT
from macros.python.rules.clauses import COMPARISONS, WORDS
from macros.python.rules.definitions import FOLDER, MOST_CONFIRM_DAYS, SEGMENT_KEYS, SEGMENTATION_KEYS, STRATEGY_KEYS
from macros.python.rules.features import read_features
from macros.python.rules.schema import schema, schema_text

CATALOGUE = read_features(ROOT)
SCHEMA = schema(CATALOGUE)
VALIDATOR = Draft7Validator(SCHEMA)

RIGHT = {
    "owner": "a@example.com",
    "segments": [
        {"name": "a", "description": "-", "rule": {"all": ["orders_30d >= 1", {"not": "age_band is null"}]}},
        {"name": "b", "description": "-"},
    ],
}
OTHER = {"owner": "a@example.com", "segments": [{"name": "champions", "description": "-"}]}


def complaints(meta: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(meta)]


def builds(meta: Any) -> bool:
    """Whether the build takes a segmentation, beside another one."""
    try:
        parse({"seg_x": meta, "seg_value": OTHER})
    except RuleError:
        return False
    return True


def with_rule(rule: Any) -> dict[str, Any]:
    meta = copy.deepcopy(RIGHT)
    meta["segments"][0]["rule"] = rule
    return meta


def test_the_schema_is_one_and_is_compiled() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert (ROOT / FOLDER / "segmentation.schema.json").read_text() == schema_text(CATALOGUE)
    assert json.loads(schema_text(CATALOGUE)) == SCHEMA


def test_the_projects_own_segmentations_keep_to_the_schema() -> None:
    files = sorted((ROOT / FOLDER).glob("seg_*.yml"))
    assert len(files) >= 4
    for file in files:
        assert file.read_text().startswith("# yaml-language-server: $schema=segmentation.schema.json\n")
        assert not list(VALIDATOR.iter_errors(yaml.safe_load(file.read_text()))), file.name


def test_editors_say_what_every_key_and_rule_means() -> None:
    def undescribed(part: Any) -> list[str]:
        parts = list(part.values()) if isinstance(part, dict) else part if isinstance(part, list) else []
        own = [
            key
            for key, value in (part.get("properties", {}).items() if isinstance(part, dict) else ())
            if "$ref" not in value and not value.get("description", "").endswith(".")
        ]
        return own + [key for each in parts for key in undescribed(each)]

    # What is under `if` asks, and describes nothing.
    assert undescribed({key: value for key, value in SCHEMA.items() if key != "if"}) == []
    assert all(operator in SCHEMA["definitions"]["rule"]["description"] for operator in (*COMPARISONS, *WORDS))


@pytest.mark.parametrize(
    "rule",
    [
        "orders_30d>=1",
        " orders_30d  =  1 ",
        "orders_30d between 1 and 5",
        "orders_30d between -1.5   and 5",
        "orders_30d in (1, 2)",
        "orders_30d in(1,\n2)",
        "orders_30d not   in (1)",
        "first_seen_date < 2017-02-28",
        "age_band  is  not  null",
        "orders_30d not in [1, 2]",
        "age_band = '65+'",
        "age_band is not null",
        "net_sales_365d >= p80",
        {"any": ["orders_30d = 1", {"all": ["orders_30d = 2"]}]},
        {"in_segment": "seg_value.champions"},
    ],
)
def test_rules_that_the_schema_and_the_build_both_take(rule: Any) -> None:
    assert complaints(with_rule(rule)) == []
    assert builds(with_rule(rule))


@pytest.mark.parametrize(
    "rule",
    [
        "orders_30d",
        "orders_30d => 1",
        "orders_30d == 1",
        "orders_30d ~ 1",
        "orders_30d >=",
        "orders_30d in (1]",
        "orders_30d not in ()",
        "orders_30d is null 1",
        "orders_30d isnull",
        "orders_30d BETWEEN 1 and 2",
        "orders_30d between 5",
        "orders_30d in 1, 2",
        "age_band is nothing",
        {"some": ["orders_30d = 1"]},
        {"all": []},
        {"all": ["orders_30d = 1"], "any": ["orders_30d = 1"]},
        {"in_segment": "champions"},
        {"in_segment": ["seg_value.champions"]},
        {"not": ["orders_30d = 1"]},
        {},
        [],
        None,
        7,
    ],
)
def test_rules_that_the_schema_and_the_build_both_refuse(rule: Any) -> None:
    assert complaints(with_rule(rule))
    assert not builds(with_rule(rule))


@pytest.mark.parametrize(
    ("claims", "is_right"),
    [
        ({"orders_30d": "above", "age_band": {"mostly": "65+"}}, True),
        ({}, True),
        ({"orders_30d": "more"}, False),
        ({"age_band": {"most": "65+"}}, False),
        ({"age_band": "65+"}, False),
        ({"age_band": {}}, False),
        ({"age_band": {"mostly": ["65+"]}}, False),
        ({"age_band": "above"}, False),
        ({"orders_30d": {"mostly": 5}}, False),
        ({"age_bnd": {"mostly": "65+"}}, False),
        ({"first_seen_date": "above"}, False),
        (["orders_30d"], False),
    ],
)
def test_the_schema_and_the_build_agree_on_claims(claims: Any, is_right: bool) -> None:
    meta = copy.deepcopy(RIGHT)
    meta["segments"][0]["persona_claims"] = claims
    assert (complaints(meta) == []) == is_right
    assert builds(meta) == is_right


@pytest.mark.parametrize(
    ("key", "value", "is_right"),
    [
        ("status", "active", True),
        ("status", "retired", True),
        ("status", "old", False),
        ("status", "challenger", False),
        ("challenger_of", "seg_value", False),
        ("confirm_days", MOST_CONFIRM_DAYS, True),
        ("confirm_days", MOST_CONFIRM_DAYS + 1, False),
        ("confirm_days", 0, False),
        ("confirm_days", "3", False),
        ("cut_points", {"frozen_on": "2017-06-30"}, True),
        ("cut_points", {"frozen_on": "June"}, False),
        ("cut_points", {"frozen": "2017-06-30"}, False),
        ("cut_points", "2017-06-30", False),
        ("protected_reasons", {"marital_status": "Asked for by the law."}, True),
        ("protected_reasons", {"marital_status": 5}, False),
        ("protected_reasons", {"marital_state": "Asked for by the law."}, False),
        ("protected_reasons", ["marital_status"], False),
        ("data_tests", ["unique_combination"], True),
        ("data_tests", "unique_combination", False),
        ("label", "A name", True),
        ("label", ["A name"], False),
        ("description", 5, False),
        ("owner", "", False),
        ("segments", [], False),
        ("segments", {}, False),
        ("segments", [{"description": "-"}], False),
        ("segments", [{"name": "A", "description": "-"}], False),
        ("segments", [{"name": "a"}], False),
        ("segments", [{"name": "a", "description": "-", "immediate": "yes"}], False),
        ("segments", [{"name": "a", "description": "-", "strategy": "grow"}], False),
        ("segments", [{"name": "a", "description": "-", "strategy": {"approch": "grow"}}], False),
        ("segments", [{"name": "a", "description": "-", "strategy": {"offer": ["grow"]}}], False),
        ("segments", [{"name": "a", "description": "-", "strategy": {"channels": "email"}}], False),
        ("segments", [{"name": "a", "description": "-", "strategy": {"channels": [5]}}], False),
        ("segments", [{"name": "a", "description": "-", "strategy": {"channels": ["email"]}}], True),
        ("segments", [{"name": "a", "description": "-", "share": {"maximum": 0.5}}], False),
        ("segments", [{"name": "a", "description": "-", "share": {"maximum": 5, "reason": "-"}}], False),
        ("segments", [{"name": "a", "description": "-", "share": {"maximum": 0.5, "reason": "-"}}], True),
    ],
)
def test_the_schema_and_the_build_agree_on_keys(key: str, value: Any, is_right: bool) -> None:
    meta = RIGHT | {key: value}
    assert (complaints(meta) == []) == is_right
    assert builds(meta) == is_right


def test_the_schema_and_the_build_agree_on_challengers() -> None:
    challenger = RIGHT | {"status": "challenger", "challenger_of": "seg_value"}
    assert complaints(challenger) == []
    assert builds(challenger)


@pytest.mark.parametrize("meta", [None, "text", 5, [RIGHT], {"segmentation": RIGHT}, {}])
def test_the_schema_and_the_build_refuse_what_is_no_segmentation(meta: Any) -> None:
    assert complaints(meta)
    assert not builds(meta)


@pytest.mark.parametrize("place", ["segmentation", "segment", "strategy"])
def test_the_schema_and_the_build_know_the_same_keys(place: str) -> None:
    known = {"segmentation": SEGMENTATION_KEYS, "segment": SEGMENT_KEYS, "strategy": STRATEGY_KEYS}[place]
    for key in [*known, "confrim_days"]:
        meta = copy.deepcopy(RIGHT)
        first = meta["segments"][0]
        target = {"segmentation": meta, "segment": first, "strategy": first.setdefault("strategy", {})}[place]
        target.setdefault(key, "x")
        refused = ""
        try:
            parse({"seg_x": meta})
        except RuleError as error:
            refused = str(error)
        assert (f"unknown key '{key}'" in refused) == (key not in known), key
        unknown = [told for told in complaints(meta) if "Additional properties" in told]
        assert bool(unknown) == (key not in known), key


def test_pre_commit_runs_the_schema_and_the_rules_with_tools_that_are_there() -> None:
    """The file was once no YAML, for an unquoted colon in a command, and nobody noticed."""
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = {hook["id"]: hook["entry"].split() for hook in local["hooks"]}
    assert {"compile", "segmentation-schema", "rules", "ruff", "ruff-format", "sqlfluff"} <= set(entries)
    for entry in entries.values():
        (tool,) = (word for word in entry if word.startswith(".venv/bin/"))
        assert (ROOT / tool).exists()

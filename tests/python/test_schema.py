"""The JSON schema of segmentations: editors must complain of what the build would refuse, and of nothing else."""

import copy
import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from flows.rules.definitions import RuleError, parse
from flows.steps.project import ROOT
from macros.python.rules.definitions import SEGMENT_KEYS, SEGMENTATION_KEYS, STRATEGY_KEYS

FOLDER = ROOT / "models" / "segmentations"
SCHEMA = json.loads((FOLDER / "segmentation.schema.json").read_text())
VALIDATOR = Draft7Validator(SCHEMA)

RIGHT = {
    "owner": "a@example.com",
    "segments": [
        {"name": "a", "description": "-", "rule": {"all": ["orders_30d >= 1", {"not": "age_band is null"}]}},
        {"name": "b", "description": "-"},
    ],
}


def complaints(meta: dict[str, Any]) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(meta)]


def test_the_projects_own_segmentations_keep_to_the_schema() -> None:
    files = sorted(FOLDER.glob("seg_*.yml"))
    assert len(files) >= 4
    for file in files:
        assert file.read_text().startswith("# yaml-language-server: $schema=segmentation.schema.json\n")
        assert not list(VALIDATOR.iter_errors(yaml.safe_load(file.read_text()))), file.name


@pytest.mark.parametrize(
    "rule",
    [
        "orders_30d>=1",
        "orders_30d between 1 and 5",
        "orders_30d in (1, 2)",
        "orders_30d not in [1, 2]",
        "age_band = '65+'",
        "age_band is not null",
        "net_sales_365d >= p80",
        {"any": ["orders_30d = 1", {"all": ["orders_30d = 2"]}]},
        {"in_segment": "seg_value.champions"},
    ],
)
def test_what_the_schema_lets_pass(rule: Any) -> None:
    meta = copy.deepcopy(RIGHT)
    meta["segments"][0]["rule"] = rule
    assert complaints(meta) == []


@pytest.mark.parametrize(
    "rule",
    [
        "orders_30d",
        "orders_30d => 1",
        "orders_30d == 1",
        "orders_30d between 5",
        "orders_30d in 1, 2",
        "age_band is nothing",
        {"some": ["orders_30d = 1"]},
        {"all": []},
        {"all": ["orders_30d = 1"], "any": ["orders_30d = 1"]},
        {"in_segment": "champions"},
        7,
    ],
)
def test_rules_that_the_schema_and_the_build_both_refuse(rule: Any) -> None:
    meta = copy.deepcopy(RIGHT)
    meta["segments"][0]["rule"] = rule
    assert complaints(meta)
    with pytest.raises(RuleError):
        parse({"seg_x": meta})


@pytest.mark.parametrize(
    ("claims", "is_right"),
    [
        ({"orders_30d": "above", "age_band": {"mostly": "65+"}}, True),
        ({}, True),
        ({"orders_30d": "more"}, False),
        ({"age_band": {"most": "65+"}}, False),
        ({"age_band": "65+"}, False),
        ({"age_band": {}}, False),
        ({"age_bnd": {"mostly": "65+"}}, False),
        (["orders_30d"], False),
    ],
)
def test_the_schema_and_the_build_agree_on_claims(claims: Any, is_right: bool) -> None:
    meta = copy.deepcopy(RIGHT)
    meta["segments"][0]["persona_claims"] = claims
    assert (complaints(meta) == []) == is_right
    if is_right:
        parse({"seg_x": meta})
    else:
        with pytest.raises(RuleError):
            parse({"seg_x": meta})


@pytest.mark.parametrize("place", ["segmentation", "segment"])
def test_the_schema_and_the_build_know_the_same_keys(place: str) -> None:
    properties = (SCHEMA if place == "segmentation" else SCHEMA["definitions"]["segment"])["properties"]
    assert set(properties) == set(SEGMENTATION_KEYS if place == "segmentation" else SEGMENT_KEYS)
    for key in [*properties, "confrim_days"]:
        meta = copy.deepcopy(RIGHT)
        target = meta if place == "segmentation" else meta["segments"][0]
        target.setdefault(key, "x")
        unknown = f"unknown key '{key}'"
        try:
            parse({"seg_x": meta})
            refused = ""
        except RuleError as error:
            refused = str(error)
        assert (unknown in refused) == (key not in properties), key
    with_nothing_else = copy.deepcopy(RIGHT)
    (with_nothing_else if place == "segmentation" else with_nothing_else["segments"][0])["confrim_days"] = 1
    assert complaints(with_nothing_else)


def test_the_schema_and_the_build_know_the_same_strategies() -> None:
    properties = SCHEMA["definitions"]["segment"]["properties"]["strategy"]["properties"]
    assert set(properties) == set(STRATEGY_KEYS)


def test_pre_commit_runs_the_schema_and_the_rules_with_tools_that_are_there() -> None:
    """The file was once no YAML, for an unquoted colon in a command, and nobody noticed."""
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = {hook["id"]: hook["entry"].split() for hook in local["hooks"]}
    assert {"compile", "segmentation-schema", "ruff", "ruff-format", "sqlfluff"} <= set(entries)
    for entry in entries.values():
        (tool,) = (word for word in entry if word.startswith(".venv/bin/"))
        assert (ROOT / tool).exists()

"""Definitions of segmentations: those of a checkout, and those that a release or a day of history was built with."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from expectations.parameters import Range
from flows.rules.macros import RuleError, feature_columns, macros
from flows.steps.project import ROOT

Definition = dict[str, Any]


def parse(
    metas: Mapping[str, Mapping[str, Any]] | None = None,
    variables: Mapping[str, Any] | None = None,
    root: Path = ROOT,
    **settings: Any,
) -> tuple[list[Definition], Any]:
    """Parse and check definitions; returns them, those first that others build on, and the macros that know them.

    Args:
        metas: {name: what YAML says under segmentation}; without it the segmentations of the checkout's vars.
        variables: vars that differ from dbt_project.yml.
        root: the checkout whose macros and features are used.
        settings: what else the macros are to know (see flows.rules.macros.macros).

    Raises:
        RuleError: definitions do not hold to the rule language; the message has every mistake, a line each.
    """
    variables = dict(variables or {}) | ({} if metas is None else {"segmentations": list(metas)})
    known = macros(models=metas, variables=variables, root=root, **settings)
    listed = known.variables["segmentations"]
    names = listed if isinstance(listed, list) else []
    mistakes = known.mistakes_of(*(lambda name=name: known.definition_of(name) for name in names))
    if metas is None:
        # What a build looks at before its first table; of models, where their rules can be read.
        mistakes += known.mistakes_of(known.check_segmentations)
    if metas is None and not mistakes:
        mistakes = known.mistakes_of(*(lambda name=name: known.check_model(name) for name in names))
    if mistakes:
        raise RuleError("\n".join(dict.fromkeys(mistakes)))
    return known.definitions(), known


def segments_of(definitions: Iterable[Definition]) -> dict[str, list[str]]:
    """The names of the segments by segmentation, as its YAML lists them."""
    return {definition["name"]: [each["name"] for each in definition["segments"]] for definition in definitions}


def share_limits(definitions: Iterable[Definition]) -> dict[str, Range]:
    """The limits that segments have of their own, by `<segmentation>/<segment>`."""
    return {
        f"{definition['name']}/{segment['name']}": Range(**segment["share"])
        for definition in definitions
        for segment in definition["segments"]
        if segment["share"]
    }


def metas_of_release(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """The definitions in force in a release, as its YAML had them, by name."""
    return _metas(connection, "marts.dim_segmentations", "marts.dim_segments", "is_current")


def metas_of_day(connection: duckdb.DuckDBPyConnection, day: date) -> dict[str, dict[str, Any]]:
    """The definitions in force on a day of the warehouse's history, as their YAML had them, by name."""
    in_force = (
        "(segmentation, rule_version) in (select (segmentation, rule_version) from history.segmentation_days "
        f"where as_of_date = date '{day}')"
    )
    metas = _metas(connection, "segmentations.segmentation_versions", "segmentations.segment_versions", in_force)
    # The catalogue has the last status of each version: those of versions that met on a day need not fit together.
    return {name: meta | {"status": "active", "challenger_of": None} for name, meta in metas.items()}


def _metas(
    connection: duckdb.DuckDBPyConnection, segmentations: str, segments: str, condition: str
) -> dict[str, dict[str, Any]]:
    # What was allowed when the rules were built is not asked again.
    allowed = {name: "as built" for name, column in feature_columns().items() if column.config["meta"].get("protected")}
    metas: dict[str, dict[str, Any]] = {}
    for row in rows_of(connection.execute(f"from {segmentations} where {condition} order by segmentation")):
        frozen_on = row["cut_points_frozen_on"]
        metas[row["segmentation"]] = {
            "label": row["label"],
            "owner": row["owner"],
            "status": row["status"],
            "challenger_of": row["challenger_of"],
            "confirm_days": row["confirm_days"],
            "protected_reasons": allowed,
            "segments": [],
        } | ({"cut_points": {"frozen_on": str(frozen_on)}} if frozen_on else {})
    for row in rows_of(connection.execute(f"from {segments} where {condition} order by segmentation, position")):
        metas[row["segmentation"]]["segments"].append(
            {
                "name": row["segment"],
                "label": row["label"],
                "description": row["description"],
                "immediate": row["is_immediate"],
                "persona": row["persona"],
                "owner": row["owner"],
            }
            | ({"rule": json.loads(row["rule"])} if row["rule"] else {})
        )
    return metas


def rows_of(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The rows of a query that was executed, each by the names of its columns."""
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

"""Definitions of segmentations: those of a checkout, and those that a release or a day of history was built with."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from expectations.parameters import Range
from flows.steps.errors import RunStopped
from flows.steps.project import ROOT
from macros.python.rules.definitions import parse_definitions, read_definitions
from macros.python.rules.features import read_features
from macros.python.rules.mistakes import WrongDefinitions
from macros.python.rules.tree import Segmentation


class RuleError(RunStopped):
    """Definitions break the rule language; the message has every mistake, a line each."""


def parse(
    metas: Mapping[str, Any] | None = None, root: Path = ROOT, history_start: date | None = None
) -> list[Segmentation]:
    """Parse and check definitions; returns those whose history is kept, those first that others build on.

    Args:
        metas: what YAML says, by the segmentation's name; without it the segmentations of the checkout.
        root: the checkout whose features, and perhaps segmentations, are read.
        history_start: the first day whose segments are kept; no cut points are frozen before it.

    Raises:
        RuleError: definitions break the rule language.
    """
    try:
        if metas is None:
            return read_definitions(root, history_start)
        return parse_definitions(metas, read_features(root), history_start)
    except WrongDefinitions as wrong:
        raise RuleError(str(wrong)) from wrong


def segments_of(definitions: Iterable[Segmentation]) -> dict[str, list[str]]:
    """The names of the segments by segmentation, in order."""
    return {each.name: [segment.name for segment in each.segments] for each in definitions}


def share_limits(definitions: Iterable[Segmentation]) -> dict[str, Range]:
    """The limits that segments have of their own, by `<segmentation>/<segment>`."""
    return {
        f"{each.name}/{segment.name}": Range(segment.share.minimum, segment.share.maximum, segment.share.reason)
        for each in definitions
        for segment in each.segments
        if segment.share
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
    allowed = {name: "as built" for name, feature in read_features(ROOT).features.items() if feature.is_protected}
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

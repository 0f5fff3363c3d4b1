"""The Python models about rules, over DuckDB's relations."""

from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from macros.python.rules.definitions import ROOT, read_definitions
from macros.python.rules.fits import BATCH_ROWS, Limits, Rules, rules_of, segment_fits
from macros.python.rules.words import changes, pattern_texts

Relation = duckdb.DuckDBPyRelation


def fits(rule_inputs: Relation, rule_cut_points: Relation, feature_units: Relation) -> pa.Table:
    """What the rules decide of every customer, see `segment_fits`."""
    rules = _rules(rule_inputs, rule_cut_points, feature_units)
    return segment_fits(rules, rule_inputs.to_arrow_reader(BATCH_ROWS))


def changes_of_day(rule_inputs: Relation, rule_cut_points: Relation, feature_units: Relation) -> pa.Table:
    """The changes that `segment_fits` counts."""
    return changes(_rules(rule_inputs, rule_cut_points, feature_units))


def texts(
    segment_explanations: Relation, rule_inputs: Relation, rule_cut_points: Relation, feature_units: Relation
) -> pa.Table:
    """The decisions in words, for each set of clauses that holds of somebody."""
    columns = "segmentation, rule_segment, held_clauses"
    patterns = segment_explanations.aggregate(columns, columns).order(columns).fetchall()
    return pattern_texts(_rules(rule_inputs, rule_cut_points, feature_units), patterns)


def _rules(rule_inputs: Relation, rule_cut_points: Relation, feature_units: Relation) -> list[Rules]:
    day = rule_inputs.limit(1).project("as_of_date").fetchone()
    limits = Limits.of_rows(day[0] if day else date.min, _rows(rule_cut_points), _rows(feature_units))
    return rules_of(read_definitions(ROOT), limits)


def _rows(relation: Relation) -> list[dict[str, Any]]:
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]

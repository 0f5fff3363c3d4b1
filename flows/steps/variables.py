"""What the variables of dbt_project.yml that decide about a run must be."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo


def invalid_variables(variables: Mapping[str, Any], root: Path) -> Iterator[str]:
    """What is wrong with the variables of a checkout, a sentence each."""
    for name, wanted, is_valid in _wanted(variables, root):
        value = variables.get(name)
        try:
            holds = is_valid(value)
        except (ValueError, TypeError, LookupError, OSError):
            holds = False
        if not holds:
            yield f"vars: {name} is {value!r}, but must be {wanted}."


def _wanted(variables: Mapping[str, Any], root: Path) -> Iterator[tuple[str, str, Callable[[Any], bool]]]:
    """Name, what it must be, and whether a value is that."""
    systems = sorted(path.name for path in (root / "models" / "staging").iterdir() if path.is_dir())
    models = {path.stem for path in (root / "models" / "segmentations").glob("*.sql")}
    yield (
        "sources",
        f"a list of {' or '.join(systems)}",
        lambda value: isinstance(value, list) and bool(value) and set(value) <= set(systems),
    )
    yield "customer_id_type", "bigint or varchar", lambda value: value in ("bigint", "varchar")
    yield "files_discount_sign", "as_delivered or negative", lambda value: value in ("as_delivered", "negative")
    yield "timezone", "a time zone such as Europe/Berlin", lambda value: bool(ZoneInfo(value))
    yield "earliest_order_date", "a date, YYYY-MM-DD", lambda value: bool(date.fromisoformat(str(value)))
    yield "history_start", "a date, YYYY-MM-DD", lambda value: bool(date.fromisoformat(str(value)))
    for name in ("newest_day_is_complete", "incremental_features"):
        yield name, "true or false", lambda value: isinstance(value, bool)
    yield (
        "segmentations",
        "a list of models in models/segmentations",
        lambda value: isinstance(value, list) and bool(value) and set(value) <= models,
    )
    yield (
        "cross_sell_segmentation",
        "a model in models/segmentations, or null",
        lambda value: value is None or value in models,
    )
    yield "cross_sell_excluded_categories", "a list of categories", lambda value: isinstance(value, list)
    for name in ("releases_kept", "chunk_customer_days", "cross_sell_minimum_buyers", "typical_customer_alike"):
        yield name, "a whole number above 0", _is_count
    yield "release_grace_minutes", "a whole number, at least 0", lambda value: value == 0 or _is_count(value)
    yield (
        "sources_late_after_days",
        "a whole number above 0, or null for never",
        lambda value: value is None or _is_count(value),
    )
    for name in ("logs_kept_days", "runs_kept_days", "features_kept_days"):
        yield name, "a whole number above 0, or null for ever", lambda value: value is None or _is_count(value)
    yield (
        "tests_kept_days",
        "a whole number, at least alert_usual_days + 7 * alert_compared_weeks + 7, or null for ever",
        lambda value: (
            value is None
            or (_is_count(value) and value >= variables["alert_usual_days"] + 7 * variables["alert_compared_weeks"] + 7)
        ),
    )
    yield "late_days", "a whole number above 0, or null for all days", lambda value: value is None or _is_count(value)
    yield "tested_days", "run or all", lambda value: value in ("run", "all")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0

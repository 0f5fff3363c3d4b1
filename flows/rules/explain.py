"""Why a customer is where they are, on any day of the history."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from flows.rules.definitions import RuleError, metas_of_day, parse, rows_of
from flows.steps.errors import RunStopped
from flows.steps.project import Project
from flows.steps.window import published_date
from macros.python.rules.explanations import segment_explanations_sql, told_ctes
from macros.python.rules.fits import BATCH_ROWS, Limits, rules_of, segment_fits
from macros.python.rules.inputs import inputs_sql
from macros.python.rules.sql import DUCKDB
from macros.python.rules.tree import Segmentation
from macros.python.rules.words import Words, changes, pattern_texts, positions

COLUMNS = (
    "segmentation, segment, rule_segment, rule_version, deciding_clauses, clause_values, missed_rules, fit, "
    "nearest_segment, change_feature, change_from, change_to"
)


@dataclass(frozen=True)
class Explanation:
    """Why a customer is in a segment on a day, and how they came there.

    Attributes:
        reasons: the columns of customer_segment_explanations, by name.
        spell: valid_from, valid_to, previous_segment, entry_reason and exit_reason of the stay, by name.
    """

    reasons: dict[str, Any]
    spell: dict[str, Any]


def explain(project: Project, customer: str, as_of: date | None = None) -> tuple[date, list[Explanation]]:
    """Explain a customer's segments on a day; without one, on the day of the current release.

    The day of the current release is read from it, other days from the warehouse.

    Raises:
        RunStopped: there is no release, the day is not in the history or its features are no longer kept, the customer
            is not known on it, or the warehouse cannot be read now.
    """
    published = published_date(project)
    if published is None:
        raise RunStopped("Nothing is released yet. Run `make run` first.")
    day = as_of or published
    database = project.serving / "current" / "tessera.duckdb" if day == published else project.warehouse
    try:
        connection = duckdb.connect(str(database), read_only=True)
    except duckdb.Error as error:
        raise RunStopped(
            f"The warehouse {database}, which has the days before {published}, cannot be read now; a run may be "
            f"writing it. Try again when it has ended. DuckDB says: {error}"
        ) from error
    with connection:
        (first,) = connection.execute("select min(as_of_date) from marts.fct_segment_daily").fetchone()
        if not first <= day <= published:
            raise RunStopped(f"The history goes from {first} to {published}; {day} is not in it.")
        if day != published:
            _check_features(connection, day)
        key = _key(connection, customer)
        if day == published:
            query = f"select {COLUMNS} from marts.customer_segment_explanations where customer_id = $key"
            told = rows_of(connection.execute(f"{query} order by segmentation", {"key": key}))
        else:
            told = _explained_then(connection, project, day, key)
        if not told:
            raise RunStopped(_unknown(connection, customer, key, day))
        spells = {
            spell["segmentation"]: spell
            for spell in rows_of(
                connection.execute(
                    "select segmentation, valid_from, valid_to, previous_segment, entry_reason, exit_reason "
                    f"from marts.fct_segment_spells where customer_id = $key and valid_from <= date '{day}' "
                    f"and valid_to > date '{day}'",
                    {"key": key},
                )
            )
        }
    return day, [Explanation(row, spells[row["segmentation"]]) for row in told]


def _check_features(connection: duckdb.DuckDBPyConnection, day: date) -> None:
    """Raise RunStopped where the warehouse keeps no features of the day."""
    kept, first, last = connection.execute(
        "select count(case when as_of_date = $day then 1 end), min(as_of_date), max(as_of_date) "
        "from features.measured_days",
        {"day": day},
    ).fetchone()
    if not kept:
        raise RunStopped(
            f"The features of {day} are no longer kept, so its segments cannot be explained. Features are kept from "
            f"{first} to {last} (vars: features_kept_days)."
        )


def _check_units(connection: duckdb.DuckDBPyConnection, day: date) -> None:
    """Raise RunStopped where the warehouse has no units of the day's month: it was built before they were kept."""
    (there,) = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'features' and table_name = 'feature_units'"
    ).fetchone()
    query = f"select count(*) from features.feature_units where as_of_date between date '{day:%Y-%m-01}' and '{day}'"
    if not there or connection.execute(query).fetchone() == (0,):
        raise RunStopped(
            f"The warehouse has no units of features for {day:%B %Y}, in which fits are counted: it was built by an "
            "older version. Build its history again (CHANGELOG.md) to explain that day."
        )


def _explained_then(
    connection: duckdb.DuckDBPyConnection, project: Project, day: date, key: int | str
) -> list[dict[str, Any]]:
    """Explain a customer on a day before the released one, by the rules in force then."""
    try:
        definitions = parse(metas_of_day(connection, day))
    except RuleError as error:
        raise RunStopped(
            f"The rules of {day}, as the warehouse has them, cannot be read with the features of this checkout: {error}"
        ) from error
    _check_units(connection, day)
    relations = {
        "customer_features": f"from features.customer_features_history where as_of_date = date '{day}' "
        "and customer_id = $key",
        "segments": "select customer_id, segmentation, segment from marts.fct_segment_spells "
        f"where valid_from <= date '{day}' and valid_to > date '{day}' and customer_id = $key",
        "rule_cut_points": "from segmentations.rule_cut_points",
        "score_cut_points": "from features.score_cut_points",
        "feature_units": "from features.feature_units",
    }
    return explained(connection, definitions, day, relations, {"key": key})


def explained(
    connection: duckdb.DuckDBPyConnection,
    definitions: list[Segmentation],
    day: date,
    relations: Mapping[str, str],
    parameters: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Explain some customers on a day, with the code that makes the mart; by customer and segmentation.

    Besides the columns of the mart, rows have held_clauses, and `missed`: the rules before that of the segment, each in
    words, by its segment.

    Args:
        connection: reads the relations.
        definitions: the rules in force, those first that others build on.
        day: the day.
        relations: queries by what they stand for: customer_features of the day of those to explain; the `segments` that
            count (customer_id, segmentation, segment) of them and perhaps others; rule_cut_points and score_cut_points,
            the percentiles in rules and behind scores by as_of_date; feature_units, in which distances are counted.
        parameters: of the queries.
    """
    ctes = {
        "customer_features": relations["customer_features"],
        "score_cut_points": relations["score_cut_points"],
        # Those of customers who do not wait change nothing.
        "waiting_segments": relations["segments"],
    }
    given = "with " + ",\n".join(f"{name} as ({query})" for name, query in ctes.items())

    def run(query: str) -> duckdb.DuckDBPyConnection:
        return connection.execute(
            query, {name: value for name, value in (parameters or {}).items() if f"${name}" in query}
        )

    limits = Limits.of_rows(day, rows_of(run(relations["rule_cut_points"])), rows_of(run(relations["feature_units"])))
    rules = rules_of(definitions, limits)
    inputs = run(f"{given},\n{inputs_sql(definitions, DUCKDB)}").to_arrow_reader(BATCH_ROWS)
    with (
        _registered(connection, "segment_fits", segment_fits(rules, inputs)),
        _registered(connection, "segment_versions", positions(definitions)),
    ):
        found = run(f"{given},\n{segment_explanations_sql(definitions, DUCKDB)}").to_arrow_table()
    patterns = sorted(
        set(
            zip(
                *(found.column(name).to_pylist() for name in ("segmentation", "rule_segment", "held_clauses")),
                strict=True,
            )
        )
    )
    with (
        _registered(connection, "segment_explanations", found),
        _registered(connection, "pattern_texts", pattern_texts(rules, patterns)),
        _registered(connection, "rule_changes", changes(rules)),
    ):
        query = f"select customer_id, {COLUMNS}, held_clauses, explanation from told order by customer_id, segmentation"
        rows = rows_of(run(f"{given},\n{told_ctes(definitions, DUCKDB)}\n{query}"))
    words = {each.name: Words(each) for each in rules}
    for row in rows:
        row["missed"] = words[row["segmentation"]].missed(row["rule_segment"], row["held_clauses"])
    return rows


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> Iterator[None]:
    connection.register(name, table)
    try:
        yield
    finally:
        connection.unregister(name)


def _key(connection: duckdb.DuckDBPyConnection, customer: str) -> int | str:
    """A customer's key in the type that the keys have."""
    ((data_type,),) = connection.execute(
        "select data_type from duckdb_columns() where schema_name = 'marts' and table_name = 'dim_customers' "
        "and column_name = 'customer_id'"
    ).fetchall()
    if data_type == "VARCHAR":
        return customer
    try:
        key = int(customer)
    except ValueError:
        key = None
    if key is None or not -(2**63) <= key < 2**63:
        raise RunStopped(f"Customer IDs are integers; got '{customer}'.")
    return key


def _unknown(connection: duckdb.DuckDBPyConnection, customer: str, key: int | str, day: date) -> str:
    first, last = connection.execute(
        "select min(valid_from), max(valid_to) from marts.fct_segment_spells where customer_id = $key", {"key": key}
    ).fetchone()
    if first is None:
        return f"There is no customer {customer} in the history. Check the key in marts.dim_customers."
    known = f"known from {first}" + ("" if last == date(9999, 12, 31) else f" to the day before {last}")
    return f"Customer {customer} is {known}, not on {day}."

"""Run the suites of a gate on a warehouse file and say in words what is wrong.

    gate = Gate(Path("warehouse/tessera.duckdb"), Parameters())
    results = gate.run("inputs", not_after=datetime(2018, 1, 1))
    for result in failures(results):
        print(describe(result))
    ...                                           # the warehouse can be written here
    results += gate.run("marts", segments={"lifecycle": ["new", "active", "lost"]})
    gate.write_docs(Path("release/data_docs"))    # one site with the results of both runs

Great Expectations is imported (about 7 s) when a `Gate` is made, not when this module is imported.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from expectations.parameters import Parameters

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuite, ExpectationValidationResult

    from expectations.suites import CheckedTable

GateName = Literal["inputs", "marts"]
Status = Literal["passed", "failed", "not evaluated"]
Severity = Literal["error", "warning"]

_EXAMPLES = 3
# Columns that identify people or their orders. For tables with one of them, messages show counts and no values:
# messages, logs and pages leave the warehouse, and an erasure cannot follow them.
_KEYS = ("customer_id", "order_id")
_REMEDY_UNREAD = "Build the table again: it, or a column of it, is missing or of another type."
_WORST_FIRST: tuple[Status, ...] = ("not evaluated", "failed", "passed")


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check; suite and code together are unique within a run of a gate."""

    suite: str
    """`<gate>/<table>`"""
    code: str
    description: str
    mart: str
    """The judged table, `<schema>.<table>`."""
    status: Status
    severity: Severity
    observed: str
    expected: str
    remedy: str
    is_acceptable: bool = False
    """Whether --accept can let it through: it asks whether data are plausible."""
    was_accepted: bool = False
    """Whether it failed and was let through on purpose."""


def failures(results: Iterable[CheckResult]) -> list[CheckResult]:
    """Return the results that must stop a run: errors that did not pass or could not be evaluated, unless accepted."""
    return [
        result
        for result in results
        if result.status != "passed" and result.severity == "error" and not result.was_accepted
    ]


# DuckDB's message for a query that a signal to end the process interrupted.
_INTERRUPTED = "Query interrupted"


def warnings(results: Iterable[CheckResult]) -> list[CheckResult]:
    """Return the results worth a look: warnings that did not pass or could not be evaluated."""
    return [result for result in results if result.status != "passed" and result.severity == "warning"]


def let_through(results: Iterable[CheckResult], codes: Collection[str]) -> list[CheckResult]:
    """Return the results; failed ones that are among the codes and can be let through are marked as accepted.

    A check that could not be evaluated still stops a run: nobody can know what they would accept.
    """
    return [
        replace(result, was_accepted=result.is_acceptable and result.status == "failed" and result.code in codes)
        for result in results
    ]


def describe(result: CheckResult) -> str:
    """Say in one line what was wrong, where, and what to do; of a check that passed, what was seen."""
    if result.status == "passed":
        return f"{result.suite}: {result.description}: {result.observed} ({result.code})"
    problem = "not evaluated: " if result.status == "not evaluated" else ""
    text = (
        f"{result.suite}: {result.description}: {problem}{result.observed}, expected {result.expected} ({result.code})."
    )
    if result.was_accepted:
        return f"{text} Accepted."
    if result.status == "failed" and result.is_acceptable:
        return f'{text} {result.remedy} If the data are right, run again with --accept {result.code} --reason "...".'
    return f"{text} {result.remedy}"


class Gate:
    """The checks of one run: each gate runs on its own, the pages show all that was run."""

    def __init__(self, warehouse: Path, parameters: Parameters | None = None, accepted: Collection[str] = ()) -> None:
        """Import Great Expectations and prepare it; the warehouse need not exist yet.

        `accepted` lists the codes of checks to let through if they fail.
        """
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        from expectations import dialect

        dialect.register()
        # Its errors are in the results; the log would repeat each with a page of traceback.
        for name in list(logging.root.manager.loggerDict):
            if name.startswith("great_expectations"):
                logging.getLogger(name).setLevel(logging.CRITICAL)
        self._warehouse = warehouse
        self._parameters = parameters or Parameters()
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._accepted = frozenset(accepted)
        self._results: list[CheckResult] = []

    def run(
        self,
        gate: GateName,
        *,
        not_after: datetime | None = None,
        segments: Mapping[str, Sequence[str]] | None = None,
    ) -> list[CheckResult]:
        """Check all tables of a gate and return one result per check, in the order of the suites.

        `not_after` is the run's clock, naive and in the business time zone (only for `inputs`; without it, no
        check for future timestamps). `segments` are the defined segments by segmentation (only for `marts`,
        required there). A table that cannot be read gives results that are "not evaluated". No connection is
        open afterwards.

        Raises FileNotFoundError when there is no warehouse, duckdb.IOException when another process writes
        it, and ValueError for arguments that do not fit.
        """
        import duckdb

        from expectations.suites import input_tables, mart_tables

        if gate not in get_args(GateName):
            raise ValueError(f"There is no gate {gate!r}: use one of {', '.join(get_args(GateName))}.")
        if not self._warehouse.is_file():
            raise FileNotFoundError(f"There is no warehouse at {self._warehouse}: run dbt before the gate {gate}.")
        # Fails here, once, rather than in every check.
        with duckdb.connect(str(self._warehouse), read_only=True) as connection:
            of_keys = connection.sql("from duckdb_columns()").filter(f"column_name in {_KEYS}")
            named = set(of_keys.select("schema_name, table_name").fetchall())

        if gate == "inputs":
            tables = input_tables(self._parameters.inputs, not_after)
        else:
            tables = mart_tables(self._parameters.marts, segments or {})
        found = (
            result for table in tables for result in self._check(gate, table, (table.schema, table.table) in named)
        )
        results = let_through(found, self._accepted)
        self._results += results
        return results

    def write_docs(self, folder: Path) -> None:
        """Write a static site with all results so far; `index.html` opens without a server or a network."""
        from expectations import docs

        docs.write(self._context, self._results, folder)

    def _check(self, gate: GateName, table: CheckedTable, has_keys: bool) -> list[CheckResult]:
        """Validate one table; every table has a connection of its own, which ends with it.

        Of one that has keys nothing but counts is read, so that no page of Great Expectations' has any.
        """
        import great_expectations as gx

        from expectations.dialect import DRIVER

        context, name = self._context, table.suite.name
        suite = context.suites.add_or_update(table.suite)
        source = None
        try:
            source = context.data_sources.add_or_update_sql(
                name=f"{gate}.{table.schema}",
                connection_string=f"{DRIVER}:///{self._warehouse}?schema={table.schema}",
                create_temp_table=False,
            )
            asset = source.add_table_asset(name=table.table, table_name=table.table)
            validation = context.validation_definitions.add_or_update(
                gx.ValidationDefinition(name=name, data=asset.add_batch_definition_whole_table("all rows"), suite=suite)
            )
            outcome = validation.run(
                result_format={
                    "result_format": "SUMMARY",
                    "unexpected_index_column_names": [] if has_keys else list(table.located_by),
                    "partial_unexpected_count": 0 if has_keys else 20,
                },
                run_id=gx.RunIdentifier(run_name=gate),
            )
        except Exception as error:
            return _merge(_unread(table, expectation.meta, error) for expectation in suite.expectations)
        finally:
            if source is not None:
                source.get_execution_engine().close()
                source.get_engine().dispose()
        order = {code: position for position, code in enumerate(_codes(suite))}
        judged = sorted(outcome.results, key=lambda result: order[result.expectation_config.meta["code"]])
        return _merge(_judged(table, result) for result in judged)


def _codes(suite: ExpectationSuite) -> list[str]:
    """Return the codes of a suite in the order of its rules."""
    return list(dict.fromkeys(expectation.meta["code"] for expectation in suite.expectations))


def _unread(table: CheckedTable, meta: Mapping[str, Any], error: BaseException) -> tuple[CheckResult, str]:
    """Return the result of a rule whose table could not be read, and its subject."""
    while error.__cause__ is not None:
        error = error.__cause__
    if not isinstance(error, Exception):
        # What told the process to end; DuckDB made an error of it.
        raise error
    return _result(table, meta, "not evaluated", _first_line(error), "a table that can be read"), ""


def _judged(table: CheckedTable, result: ExpectationValidationResult) -> tuple[CheckResult, str]:
    """Return the result of a rule, and its subject."""
    configuration = result.expectation_config
    expected = _expected(configuration.type, configuration.kwargs)
    if problem := _raised(result.exception_info):
        outcome = _result(table, configuration.meta, "not evaluated", problem, expected)
    else:
        observed = _observed(configuration.type, configuration.kwargs, result.result, table.located_by)
        status: Status = "passed" if result.success else "failed"
        outcome = _result(table, configuration.meta, status, observed, expected)
    return outcome, configuration.meta["subject"]


def _result(table: CheckedTable, meta: Mapping[str, Any], status: Status, observed: str, expected: str) -> CheckResult:
    """Combine a rule's meta with what was seen.

    Raises KeyboardInterrupt where the process was told to end meanwhile: DuckDB makes an error of it, and Great
    Expectations a text.
    """
    if status == "not evaluated" and _INTERRUPTED in observed:
        raise KeyboardInterrupt(observed)
    return CheckResult(
        suite=table.suite.name.replace(".", "/", 1),
        code=meta["code"],
        description=meta["description"],
        mart=f"{table.schema}.{table.table}",
        status=status,
        severity=meta["severity"],
        observed=observed,
        expected=expected,
        remedy=_REMEDY_UNREAD if status == "not evaluated" else meta["remedy"],
        is_acceptable=meta["is_acceptable"],
    )


def _merge(outcomes: Iterable[tuple[CheckResult, str]]) -> list[CheckResult]:
    """Make one result of the rules that share a code: the worst status, and what was seen where it holds."""
    by_code: dict[str, list[tuple[CheckResult, str]]] = {}
    for result, subject in outcomes:
        by_code.setdefault(result.code, []).append((result, subject))
    merged = []
    for group in by_code.values():
        worst = min((result.status for result, _ in group), key=_WORST_FIRST.index)
        shown = [(result, subject) for result, subject in group if result.status == worst]
        merged.append(
            replace(
                shown[0][0],
                observed=_join(_prefixed(subject, result.observed) for result, subject in shown),
                expected=_join(
                    # A limit that all subjects share is said once.
                    [shown[0][0].expected]
                    if len({result.expected for result, _ in shown}) == 1
                    else (_prefixed(subject, result.expected) for result, subject in shown)
                ),
            )
        )
    return merged


def _raised(exception_info: Mapping[str, Any]) -> str:
    """Return why a rule could not be evaluated, or nothing if it was.

    Great Expectations gives one exception, or one per metric that was needed.
    """
    several = [exception_info] if "raised_exception" in exception_info else list(exception_info.values())
    messages = [info["exception_message"] for info in several if info["raised_exception"]]
    return _first_line(messages[0]) if messages else ""


def _first_line(error: object) -> str:
    """Return the first line of a message that says something, without the name of the error's class."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].removeprefix("Error: ").replace(" in BatchData", "").rstrip(".!") if lines else type(error).__name__


def _expected(kind: str, arguments: Mapping[str, Any]) -> str:
    """Say what a rule expects."""
    match kind:
        case "expect_table_row_count_to_equal":
            return _rows(arguments["value"])
        case "expect_table_row_count_to_be_between":
            text = _range(arguments)
            return f"{text} row" if text.endswith(" 1") or text == "1" else f"{text} rows"
        case "expect_column_values_to_be_between":
            return _range(arguments)
        case "expect_column_values_to_be_in_set":
            return _choices(arguments["value_set"])
        case "expect_column_pair_values_to_be_in_set":
            return _choices(arguments["value_pairs_set"])
        case "expect_column_values_to_not_be_null":
            return "a value in every row"
        case "expect_column_values_to_be_unique" | "expect_compound_columns_to_be_unique":
            return "one row each"
    raise ValueError(f"{kind} has no wording yet: add it to expectations.runner.")


def _observed(kind: str, arguments: Mapping[str, Any], found: Mapping[str, Any], located_by: Sequence[str]) -> str:
    """Say what a rule found, with up to three examples and where they stand; there are none of tables with keys."""
    if "element_count" not in found:
        return _rows(found["observed_value"])
    unexpected = found["unexpected_count"]
    if not unexpected:
        return _rows(found["element_count"])
    of_rows = f"{unexpected:,} of {_rows(found['element_count'])}"
    if not (found.get("partial_unexpected_list") or found.get("partial_unexpected_index_list")):
        return of_rows
    if kind.endswith("_unique"):
        shares = [
            f"{_rows(share['count'])} share {_value(share['value'])}" for share in found["partial_unexpected_counts"]
        ]
        # The counts are taken from the first rows only.
        is_complete = unexpected <= sum(share["count"] for share in found["partial_unexpected_counts"])
        return _join(shares) if is_complete else f"{of_rows}, such as {_value(found['partial_unexpected_list'][0])}"
    columns = [arguments[key] for key in ("column", "column_A", "column_B") if key in arguments]
    places = found.get("partial_unexpected_index_list") or [{} for _ in found["partial_unexpected_list"]]
    values = found["partial_unexpected_list"] or [None] * len(places)
    examples = [
        _example(columns, value, {name: place.get(name) for name in located_by})
        for value, place in zip(values, places, strict=False)
    ]
    such_as = ": " if unexpected <= _EXAMPLES else ", such as "
    return of_rows + such_as + "; ".join(examples[:_EXAMPLES]) if examples else of_rows


def _example(columns: Sequence[str], value: object, place: Mapping[str, object]) -> str:
    """Return `column value (where)`; the place leaves out what the value says already."""
    where = ", ".join(
        f"{name} {_value(known)}" for name, known in place.items() if known is not None and name not in columns
    )
    return f"{'/'.join(columns)} {_value(value)}" + (f" ({where})" if where else "")


def _rows(count: int) -> str:
    """Return a number of rows in words."""
    return f"{count:,} {'row' if count == 1 else 'rows'}"


def _range(arguments: Mapping[str, Any]) -> str:
    """Return the range of a rule in words."""
    minimum, maximum = arguments.get("min_value"), arguments.get("max_value")
    if minimum is None:
        return f"at most {_value(maximum)}"
    if maximum is None:
        return f"at least {_value(minimum)}"
    return _value(minimum) if minimum == maximum else f"{_value(minimum)} to {_value(maximum)}"


def _choices(values: Sequence[Any]) -> str:
    """Return the allowed values in words."""
    return _value(values[0]) if len(values) == 1 else f"one of {', '.join(_value(value) for value in values)}"


def _prefixed(subject: str, text: str) -> str:
    """Put the subject, if there is one, before a text."""
    return f"{subject}: {text}" if subject else text


def _join(texts: Iterable[str]) -> str:
    """Join the first three texts and say how many more there are."""
    known = list(texts)
    more = f" and {len(known) - _EXAMPLES} more" if len(known) > _EXAMPLES else ""
    return "; ".join(known[:_EXAMPLES]) + more


def _value(value: object) -> str:
    """Return a value as one would write it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float() if math.isfinite(value):
            if value.is_integer():
                return f"{value:,.0f}"
            return f"{value:,.2f}" if abs(value) >= 1_000 else f"{value:.4g}"
        case datetime():
            return value.isoformat(sep=" ")
        case date():
            return value.isoformat()
        case Mapping():
            return "/".join(_value(part) for part in value.values())
        case list() | tuple():
            return "/".join(_value(part) for part in value)
        case _:
            return str(value)

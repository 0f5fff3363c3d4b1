"""The suites: one function per table; each rule has a code, a severity, a reason and a remedy.

Rules that compare values pass on a table without rows and on rows without a value. So every suite also counts
rows, and columns that must always be measured have a rule `<column>_not_measured`.

This module imports Great Expectations (about 7 s); `runner.Gate` imports it when it is needed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import great_expectations.expectations as gxe
from great_expectations import ExpectationSuite
from great_expectations.expectations.row_conditions import Column

from expectations.parameters import InputParameters, MartParameters, Range, ShareLimits

Severity = Literal["error", "warning"]
Segments = Mapping[str, Sequence[str]]
"""The defined segments by segmentation."""

_GX_SEVERITIES = {"error": "critical", "warning": "warning"}


@dataclass(frozen=True)
class CheckedTable:
    """A suite, the table it checks, and the columns that locate an unexpected value."""

    schema: str
    table: str
    located_by: tuple[str, ...]
    suite: ExpectationSuite


def input_tables(parameters: InputParameters, not_after: datetime | None) -> list[CheckedTable]:
    """Return what the gate `inputs` checks; without `not_after`, it does not look for future timestamps."""
    return [
        CheckedTable("conformed", "customers", (), build_customers_suite(parameters)),
        CheckedTable("checks", "input_days", ("order_date",), build_input_days_suite(parameters)),
        CheckedTable("checks", "input_shares", ("order_date", "usual_share"), build_input_shares_suite(parameters)),
        CheckedTable("checks", "input_past", ("delivered_lines", "kept_lines"), build_input_past_suite(parameters)),
        CheckedTable("checks", "input_signs", ("amount",), build_input_signs_suite(parameters)),
        CheckedTable("checks", "input_problems", (), build_input_problems_suite(parameters)),
        CheckedTable(
            "checks", "source_files", ("source_system", "table_name", "file"), build_source_files_suite(parameters)
        ),
        CheckedTable(
            "checks",
            "source_values",
            ("source_system", "table_name", "column_name", "example"),
            build_source_values_suite(parameters),
        ),
        CheckedTable(
            "checks",
            "input_customers",
            ("vanished_customers", "closed_customers", "known_customers", "known_on"),
            build_input_customers_suite(parameters),
        ),
        CheckedTable(
            "checks",
            "input_freshness",
            ("source_system",),
            build_input_freshness_suite(parameters, not_after),
        ),
    ]


def mart_tables(parameters: MartParameters, segments: Segments) -> list[CheckedTable]:
    """Return what the gate `marts` checks.

    Raises ValueError when no segment is given or `parameters.for_segment` names an unknown one.
    """
    if not any(segments.values()):
        raise ValueError("The gate `marts` needs the defined segments: pass segments={segmentation: [segment, ...]}.")
    return [
        CheckedTable(
            "marts",
            "customer_segments",
            ("segmentation",),
            build_customer_segments_suite(segments),
        ),
        CheckedTable(
            "checks",
            "segment_sizes",
            ("as_of_date", "segmentation", "segment"),
            build_segment_sizes_suite(parameters),
        ),
        CheckedTable(
            "checks",
            "last_segment_sizes",
            ("segmentation", "segment"),
            build_last_segment_sizes_suite(parameters, segments),
        ),
        CheckedTable("checks", "daily_totals", ("as_of_date", "segmentation"), build_daily_totals_suite()),
        CheckedTable("checks", "orphans", ("reference",), build_orphans_suite()),
        CheckedTable("checks", "rule_percentiles", ("feature", "percentile"), build_rule_percentiles_suite()),
        CheckedTable("checks", "restatement_due", ("first_day",), build_restatement_due_suite(parameters)),
        CheckedTable(
            "marts", "fct_persona_claims", ("segmentation", "segment", "feature", "claim"), build_persona_claims_suite()
        ),
    ]


def acceptable_codes() -> list[str]:
    """Return the codes of the checks that `--accept` can let through, sorted."""
    # A check of a segment's share exists only if a segment limits it.
    parameters = MartParameters(for_segment={"any/any": Range(0.0, 1.0, "Any share.")})
    tables = [*input_tables(InputParameters(), None), *mart_tables(parameters, {"any": ["any"]})]
    metas = (expectation.meta for table in tables for expectation in table.suite.expectations)
    return sorted({meta["code"] for meta in metas if meta["is_acceptable"]})


def build_customers_suite(parameters: InputParameters) -> ExpectationSuite:
    """Build the suite of `conformed.customers`: one row per customer."""
    rules = [
        _has_rows("customers_empty", "Load the customer feed; without customers there is nobody to segment."),
        _rule(
            gxe.ExpectColumnValuesToNotBeNull,
            code="customer_id_missing",
            column="customer_id",
            description="customer_id must be given",
            reason="A customer without an id cannot be found again on the next day.",
            remedy="Repair these rows. Keys that are not integers need vars: customer_id_type: varchar.",
        ),
        _rule(
            gxe.ExpectColumnValuesToBeUnique,
            code="customer_duplicate",
            column="customer_id",
            description="customer_id must be unique",
            reason="A customer that appears twice is counted twice in every segment.",
            remedy="Deduplicate the customers in staging, or tell the source systems' ids apart."
            + _see("select customer_id from conformed.customers group by customer_id having count(*) > 1"),
        ),
    ]
    if parameters.customer_id_is_number:
        rules.append(
            _rule(
                gxe.ExpectColumnValuesToBeBetween,
                code="customer_id_negative",
                column="customer_id",
                min_value=0,
                description="customer_id must not be negative",
                reason="Shops write -1 for an unknown buyer, who would collect the orders of many.",
                remedy="Treat these ids as an unknown customer in staging."
                + _see("from conformed.customers where customer_id < 0"),
            )
        )
    return ExpectationSuite(name="inputs.customers", expectations=rules)


def build_input_days_suite(parameters: InputParameters) -> ExpectationSuite:
    """Build the suite of `checks.input_days`: one row per day of the run's window."""
    return ExpectationSuite(
        name="inputs.input_days",
        expectations=[
            _has_rows("input_days_empty", "Check the run's first and last as-of date: the window has no day."),
            *_measured("is_missing_day"),
            _rule(
                gxe.ExpectColumnValuesToBeInSet,
                code="day_missing",
                is_acceptable=True,
                column="is_missing_day",
                value_set=[False],
                description="every open day must have lines",
                reason="A day that was not delivered makes its customers look inactive.",
                remedy="Load the day and run again, or enter it in the calendar of closed days.",
            ),
            _within(
                "volume_implausible",
                "volume_ratio",
                parameters.volume_plausible,
                is_acceptable=True,
                description="lines of a day over their usual number must be plausible",
                remedy="Compare the day's file with the source system and load it again.",
            ),
            _within(
                "volume_unusual",
                "volume_ratio",
                parameters.volume_usual,
                severity="warning",
                # An implausible day is reported only once.
                row_condition=(Column("volume_ratio") >= parameters.volume_plausible.minimum)
                & (Column("volume_ratio") <= parameters.volume_plausible.maximum),
                description="lines of a day over their usual number should be near 1",
                remedy="Ask the source's owner whether the day was really that quiet or busy.",
            ),
            _within(
                "net_amount_too_low",
                "min_net_amount",
                parameters.lowest_net_amount,
                severity="warning",
                description="the smallest net amount of a day should be in range",
                remedy="Look at the day's smallest lines; check unit and sign of the amount in staging.",
            ),
            _within(
                "net_amount_too_high",
                "max_net_amount",
                parameters.highest_net_amount,
                severity="warning",
                description="the largest net amount of a day should be in range",
                remedy="Look at the day's largest lines; check unit and sign of the amount in staging.",
            ),
        ],
    )


# For each kind of lines: its name for people, and what to do about too many.
_KINDS = {
    "identical_lines": (
        "lines identical to another one in every column",
        "Look for a load that ran twice, and deliver each line once.",
    ),
    "returned_lines": (
        "returns",
        "Compare a few lines with the source system: check sign and unit of net_amount and units, and is_return.",
    ),
    "uncategorised_lines": (
        "lines without a category",
        "Compare product_id in transactions and products: deliver all products, and write keys the same way in both.",
    ),
    "cancelled_lines": (
        "lines of cancelled orders",
        "Compare a few orders with the source system: check order_status.",
    ),
}


def build_input_shares_suite(parameters: InputParameters) -> ExpectationSuite:
    """Build the suite of `checks.input_shares`: one row per day of the run's window and kind of lines."""
    rules = [_has_rows("input_shares_empty", "Check the run's first and last as-of date: the window has no day.")]
    for kind, (lines, remedy) in _KINDS.items():
        limits: ShareLimits = getattr(parameters, kind)
        judged = (Column("kind") == kind) & (Column("unusual_lines") > parameters.few_lines.maximum)
        rules += [
            _within(
                f"{kind}_jumped",
                "unusual_share",
                limits.possible,
                is_acceptable=True,
                row_condition=judged,
                description=f"the share of {lines} must not jump",
                remedy=remedy,
            ),
            _within(
                f"{kind}_more",
                "unusual_share",
                limits.usual,
                severity="warning",
                row_condition=judged,
                description=f"the share of {lines} should be close to usual",
                remedy=remedy,
            ),
            _within(
                f"{kind}_many",
                "first_share",
                limits.first,
                is_acceptable=True,
                row_condition=judged,
                description=f"{lines} must not be most of a day's lines",
                remedy=remedy,
            ),
        ]
    return ExpectationSuite(name="inputs.input_shares", expectations=rules)


def build_input_past_suite(parameters: InputParameters) -> ExpectationSuite:
    """Build the suite of `checks.input_past`: one row."""
    return ExpectationSuite(
        name="inputs.input_past",
        expectations=[
            _has_rows("input_past_empty", "Build the table again: it always has one row.", exactly=1),
            *_measured("kept_ratio"),
            _within(
                "past_lines_changed",
                "kept_ratio",
                parameters.kept_ratio,
                is_acceptable=True,
                row_condition=Column("changed_lines") > parameters.few_lines.maximum,
                description="published days must have about as many lines as when they were published",
                remedy="Deliver the lines of all days, each once; keep older days in the file.",
            ),
        ],
    )


def build_input_signs_suite(parameters: InputParameters) -> ExpectationSuite:
    """Build the suite of `checks.input_signs`: one row per amount that must not be negative."""
    return ExpectationSuite(
        name="inputs.input_signs",
        expectations=[
            _has_rows("input_signs_empty", "Build the table again: it always has five rows.", exactly=5),
            *_measured("negative_share"),
            _within(
                "amounts_negative",
                "negative_share",
                parameters.negative_share,
                is_acceptable=True,
                description="units, discounts, coupons and costs of sales must be positive",
                remedy="If the source writes discounts and coupons as negative amounts, set vars: files_discount_sign: "
                "negative (for a system of your own, flip the sign in staging); fix the sign of costs at the source. "
                "Negative units: the line is a return, but is_return says it is a sale. returned_amount: the "
                "net_amount of a return is what you pay back, so it is negative.",
            ),
            _within(
                "amount_negative",
                "negative_lines",
                parameters.negative_lines,
                severity="warning",
                description="no sale should have negative units or a negative discount, coupon or cost",
                remedy="Look at these lines in conformed.transactions and correct them at the source.",
            ),
        ],
    )


def build_input_customers_suite(parameters: InputParameters) -> ExpectationSuite:
    """Build the suite of `checks.input_customers`: one row per day that the customers are compared with."""
    unusual = parameters.departures_times_usual.maximum

    def departed(code: str, kind: str, limits: Range, **arguments: Any) -> gxe.Expectation:
        judged = Column(f"{kind}_times_usual") > unusual
        return _within(code, f"{kind}_share", limits, row_condition=judged, **arguments)

    return ExpectationSuite(
        name="inputs.input_customers",
        expectations=[
            _has_rows("input_customers_empty", "Build the table again: it always has a row."),
            *_measured("vanished_share", "vanished_times_usual", "closed_share", "closed_times_usual"),
            departed(
                "customers_vanished",
                "vanished",
                parameters.vanished_share,
                is_acceptable=True,
                description="known customers must still be in the customer feed",
                remedy="Deliver all customers; keep former customers in the feed, with a closed_date.",
            ),
            departed(
                "customers_missing",
                "vanished",
                parameters.vanished_share_usual,
                severity="warning",
                description="hardly any known customer should be missing from the customer feed",
                remedy="Ask the feed's owner where they are; former customers stay in the feed, with a closed_date.",
            ),
            departed(
                "customers_closed",
                "closed",
                parameters.closed_share,
                is_acceptable=True,
                description="customers must not be closed in large numbers at once",
                remedy="Look at closed_date in the customer feed.",
            ),
        ],
    )


def build_input_problems_suite(parameters: InputParameters) -> ExpectationSuite:
    """Build the suite of `checks.input_problems`: one row, a count of lines per kind of problem."""
    remedies = {
        "invalid_customer_id": "Repair the ids in the source or in staging.",
        "invalid_order_id": "Repair the ids in the source or in staging.",
        "invalid_ordered_at": "Check the timestamp's format and time zone in staging, and for timestamps before vars: "
        "earliest_order_date.",
        "invalid_net_amount": "Check the amount's decimal mark and unit in staging.",
    }
    unknown = "from conformed.rejected_transactions where problem = 'unknown_customer'"
    return ExpectationSuite(
        name="inputs.input_problems",
        expectations=[
            _has_rows("input_problems_empty", "Build the table again: it always has one row.", exactly=1),
            *_measured(*remedies, "unknown_customer", "order_of_another_customer", "cancelled_order"),
            *(
                _within(
                    column,
                    column,
                    parameters.invalid_lines,
                    description=f"no line may have an {column.replace('_', ' ', 1)}",
                    remedy=remedy + _see(f"from conformed.rejected_transactions where problem = '{column}'"),
                )
                for column, remedy in remedies.items()
            ),
            _within(
                "unknown_customers_many",
                "unknown_customer_share",
                parameters.unknown_customer_share,
                row_condition=Column("unknown_customer") > parameters.few_lines.maximum,
                is_acceptable=True,
                description="few lines may have a customer who is not in the customer feed",
                remedy="Load the current customer feed and run again." + _see(unknown),
            ),
            _within(
                "unknown_customer",
                "unknown_customer",
                parameters.unknown_customers,
                severity="warning",
                description="every line should have a customer from the customer feed",
                remedy="Check whether the customer feed is complete." + _see(unknown),
            ),
            _within(
                "orders_shared",
                "order_of_another_customer_share",
                parameters.order_of_another_customer_share,
                row_condition=Column("order_of_another_customer") > parameters.few_lines.maximum,
                is_acceptable=True,
                description="few lines may belong to another customer's order",
                remedy="Make order_id unique across stores, systems and years, in the source or in staging.",
            ),
            _within(
                "order_shared",
                "order_of_another_customer",
                parameters.orders_of_another_customer,
                severity="warning",
                description="all lines of an order should have one customer",
                remedy="See rejected_transactions: the order stays with its first customer, other lines are left out.",
            ),
        ],
    )


def build_source_files_suite(parameters: InputParameters) -> ExpectationSuite:
    """Build the suite of `checks.source_files`: one row per source system and table.

    Only a flow counts the records of files; without one they are unknown, and the rule passes.
    """
    return ExpectationSuite(
        name="inputs.source_files",
        expectations=[
            _has_rows("source_files_empty", "Enable a source system."),
            *_measured("rows_read"),
            _within(
                "records_lost",
                "records_lost",
                parameters.records_lost,
                description="every record of a file must be read as one row",
                remedy="Deliver the file again: it changed during the run, or is not valid CSV (RFC 4180).",
            ),
            _within(
                "rows_unaccounted",
                "rows_unaccounted",
                parameters.records_lost,
                description="every line that is read must be kept or rejected with a reason",
                remedy="Look at the system's staging: it drops lines, or a join doubles them. If the file changed "
                "during the run, run again.",
            ),
        ],
    )


def build_source_values_suite(parameters: InputParameters) -> ExpectationSuite:
    """Build the suite of `checks.source_values`: one row per source system, table and column."""
    remedy = (
        "Write dates as YYYY-MM-DD, numbers with a decimal point and without units, booleans as true or false: see "
        "docs/own-data.md. In examples 9 is a digit and a is a letter."
    )
    return ExpectationSuite(
        name="inputs.source_values",
        expectations=[
            _has_rows("source_values_empty", "Enable a source system."),
            *_measured("unreadable_values"),
            _within(
                "values_unreadable",
                "unreadable_share",
                parameters.unreadable_share,
                description="few values of a column may be unreadable",
                remedy=remedy,
            ),
            _within(
                "value_unreadable",
                "unreadable_values",
                parameters.unreadable_values,
                severity="warning",
                description="every delivered value should be readable",
                remedy=remedy,
            ),
        ],
    )


def build_input_freshness_suite(parameters: InputParameters, not_after: datetime | None) -> ExpectationSuite:
    """Build the suite of `checks.input_freshness`: one row per source system.

    `not_after` is the run's clock as the timestamps are written: local to the business, without a time zone.
    Raises ValueError when it has one.
    """
    rules = [
        _has_rows("input_freshness_empty", "Enable a source system and load it."),
        *_measured("newest_at", "days_behind"),
        _within(
            "feed_behind",
            "days_behind",
            parameters.days_behind,
            description="every source must reach the window's last day",
            remedy="Wait for the source's load, or end the window on an earlier day.",
        ),
    ]
    if not_after is not None:
        if not_after.tzinfo is not None:
            raise ValueError(f"not_after must be in the business time zone and carry none: {not_after.isoformat()}.")
        rules.append(
            _rule(
                gxe.ExpectColumnValuesToBeBetween,
                code="future_timestamp",
                column="newest_at",
                max_value=not_after,
                description="no line may be later than the run",
                reason="A timestamp ahead of the clock is in another time zone or was typed wrongly;"
                " it would enter history on the wrong day.",
                remedy="Check the time zone in staging.",
            )
        )
    return ExpectationSuite(name="inputs.input_freshness", expectations=rules)


def build_customer_segments_suite(segments: Segments) -> ExpectationSuite:
    """Build the suite of `marts.customer_segments`: one row per customer and segmentation."""
    return ExpectationSuite(
        name="marts.customer_segments",
        expectations=[
            _has_rows("customer_segments_empty", "Check that the history holds entries up to the last day."),
            _rule(
                gxe.ExpectCompoundColumnsToBeUnique,
                code="customer_segment_duplicate",
                column_list=["customer_id", "segmentation"],
                description="a customer must be in one segment of a segmentation",
                reason="Audiences would overlap, and customers be counted twice.",
                remedy="Restate from the first day that shows it: python -m flows.backfill --restate.",
            ),
            _rule(
                gxe.ExpectColumnValuesToNotBeNull,
                code="segment_not_given",
                column="segment",
                description="segment must be given",
                reason="The last segment has no rule, so every customer is in one.",
                remedy="Check the compiled rules of the segmentation.",
            ),
            *_measured("segmentation"),
            _rule(
                gxe.ExpectColumnValuesToBeInSet,
                code="segmentation_unknown",
                column="segmentation",
                value_set=sorted(segments),
                description="segmentation must be a defined one",
                reason="Rows of a retired segmentation would reach its audiences.",
                remedy="Build the marts again with the current definitions.",
            ),
        ],
    )


def build_segment_sizes_suite(parameters: MartParameters) -> ExpectationSuite:
    """Build the suite of `checks.segment_sizes`: one row per day of the window, segmentation and segment."""
    return ExpectationSuite(
        name="marts.segment_sizes",
        expectations=[
            _has_rows("segment_sizes_empty", "Check the run's first and last as-of date: the window has no day."),
            _within(
                "segment_share_jumped",
                "share_change",
                parameters.share_change_possible,
                is_acceptable=True,
                description="a segment's share must not jump from one day to the next",
                remedy="Compare the features of the two days; if rules changed on purpose, raise the limit.",
            ),
            _within(
                "segment_share_moved",
                "share_change",
                parameters.share_change_usual,
                severity="warning",
                description="a segment's share should change slowly",
                remedy="See fct_segment_migrations for where these customers came from and went.",
            ),
        ],
    )


def build_last_segment_sizes_suite(parameters: MartParameters, segments: Segments) -> ExpectationSuite:
    """Build the suite of `checks.last_segment_sizes`: one row per segment on the window's last day.

    Raises ValueError when `parameters.for_segment` names an unknown segment.
    """
    if unknown := parameters.unknown_segments(segments):
        raise ValueError(f"for_segment limits the share of {', '.join(unknown)}, which no segmentation defines.")
    pairs = [(segmentation, segment) for segmentation, names in segments.items() for segment in names]
    return ExpectationSuite(
        name="marts.last_segment_sizes",
        expectations=[
            _has_rows("last_segment_sizes_empty", "Check that the history reaches the window's last day."),
            *_measured("share", "emptied_customers"),
            *(
                _rule(
                    gxe.ExpectTableRowCountToEqual,
                    code="segment_missing",
                    subject="/".join(pair),
                    value=1,
                    row_condition=(Column("segmentation") == pair[0]) & (Column("segment") == pair[1]),
                    description="every defined segment must be reported once, even without customers",
                    reason="A segment that vanishes from a report is not noticed.",
                    remedy="Build the segmentation and the history again with the current definitions.",
                )
                for pair in pairs
            ),
            _rule(
                gxe.ExpectColumnPairValuesToBeInSet,
                code="segment_unknown",
                column_A="segmentation",
                column_B="segment",
                value_pairs_set=pairs,
                description="every reported segment must be a defined one",
                reason="A segment without a definition has no owner, no strategy and no explanation.",
                remedy="Rewrite history after a segment is renamed, or remove the old one from the marts.",
            ),
            *(
                _within(
                    "segment_share_out_of_limits",
                    "share",
                    limits,
                    subject=subject,
                    row_condition=(Column("segmentation") == segmentation) & Column("segment").is_in(names),
                    is_acceptable=True,
                    description="a segment's share must be within its limits",
                    remedy="Look at the segment's rule; if the share is right, give it limits of its own.",
                )
                for subject, segmentation, names, limits in _own_share_limits(parameters, segments)
            ),
            _within(
                "segment_share_dominant",
                "share",
                parameters.share,
                severity="warning",
                description="a segment should leave customers to the others",
                remedy="Look at the segment's rule: it may be too wide, or its feature the same for everybody.",
            ),
            _within(
                "segment_emptied",
                "emptied_customers",
                parameters.emptied_customers,
                is_acceptable=True,
                description="a segment must not lose all its customers in a day",
                remedy="Compare the features of the two days; often a column is suddenly null.",
            ),
            _within(
                "small_segment_emptied",
                "emptied_customers",
                parameters.emptied_customers_usual,
                severity="warning",
                description="a segment should not become empty",
                remedy="Tell the segment's owner, or widen its rule.",
            ),
        ],
    )


def build_daily_totals_suite() -> ExpectationSuite:
    """Build the suite of `checks.daily_totals`: one row per day of the window and segmentation."""
    exact = Range(0, 0, "Both sides are counted from the same history, so there is no rounding to allow for.")
    return ExpectationSuite(
        name="marts.daily_totals",
        expectations=[
            _has_rows("daily_totals_empty", "Check the run's first and last as-of date: the window has no day."),
            *_measured("difference", "unbalanced"),
            _within(
                "population_unequal",
                "difference",
                exact,
                description="customers over all segments must equal the customers known that day",
                remedy="Restate from the first day that differs: python -m flows.backfill --restate.",
            ),
            _within(
                "flows_unbalanced",
                "unbalanced",
                exact,
                description="customers must equal those of the day before plus entered minus exited",
                remedy="Restate from the first day that differs: python -m flows.backfill --restate.",
            ),
        ],
    )


def build_orphans_suite() -> ExpectationSuite:
    """Build the suite of `checks.orphans`: one row per reference between marts."""
    return ExpectationSuite(
        name="marts.orphans",
        expectations=[
            _has_rows("orphans_empty", "Build the table again: it has one row per reference."),
            *_measured("orphans"),
            _within(
                "orphan",
                "orphans",
                Range(0, 0, "A row that refers to nothing drops out of every join, and totals no longer agree."),
                description="every reference must find its row",
                remedy="Build both marts of the reference in one run.",
            ),
        ],
    )


def build_restatement_due_suite(parameters: MartParameters) -> ExpectationSuite:
    """Build the suite of `checks.restatement_due`: one row."""
    return ExpectationSuite(
        name="marts.restatement_due",
        expectations=[
            _has_rows("restatement_due_empty", "Build the table again: it always has one row.", exactly=1),
            *_measured("customer_share"),
            _within(
                "restatement_due",
                "customer_share",
                parameters.restatable_share,
                severity="warning",
                description="few customers should have lines that came or changed after their days were published",
                remedy="See fct_late_arrivals for the days. To rewrite published days from first_day on, use: "
                'python -m flows.backfill --restate --first DATE --reason "...".',
            ),
        ],
    )


def build_rule_percentiles_suite() -> ExpectationSuite:
    """Build the suite of `checks.rule_percentiles`: one row per percentile in a rule; other rules have no row."""
    return ExpectationSuite(
        name="marts.rule_percentiles",
        expectations=[
            _rule(
                gxe.ExpectColumnValuesToBeInSet,
                code="percentile_tells_nobody_apart",
                severity="warning",
                column="position",
                value_set=["between"],
                description="a percentile in a rule should lie between the feature's lowest and highest value",
                reason="Customers with the same value fall on the same side of a percentile. If most of them share the"
                " lowest value, such as 0, a rule that asks for the lowest fifth can select nearly everybody.",
                remedy="Look at the feature's distribution, then compare with a number or use another feature.",
            ),
        ],
    )


def build_persona_claims_suite() -> ExpectationSuite:
    """Build the suite of `marts.fct_persona_claims`: one row per claim; a project without claims has none.

    A claim that cannot be judged, because its segment is empty, has no value and passes.
    """
    return ExpectationSuite(
        name="marts.fct_persona_claims",
        expectations=[
            _rule(
                gxe.ExpectColumnValuesToBeInSet,
                code="persona_claim_broken",
                severity="warning",
                column="holds",
                value_set=[True],
                description="what a persona claims should hold for its segment",
                reason="Whoever plans with a persona that the data contradict plans for customers who are not there.",
                remedy="Look at the segment in fct_segment_profiles, then rewrite persona and claims, or the rule.",
            ),
        ],
    )


def _see(query: str) -> str:
    """Give the query that shows a rule's rows: messages leave the warehouse, so they have no keys."""
    return f" To see them in the warehouse: {query}"


def _rule(
    kind: type[gxe.Expectation],
    *,
    code: str,
    description: str,
    reason: str,
    remedy: str,
    severity: Severity = "error",
    subject: str = "",
    is_acceptable: bool = False,
    **arguments: Any,
) -> gxe.Expectation:
    """Build one expectation.

    `subject` tells rules of the same code apart. `is_acceptable` is for rules that ask whether data are plausible:
    intentionally unusual data can be let through. It is not for data that make numbers wrong, such as duplicate keys.
    """
    return kind(
        severity=_GX_SEVERITIES[severity],
        meta={
            "code": code,
            "severity": severity,
            "description": description,
            "reason": reason,
            "remedy": remedy,
            "subject": subject,
            "is_acceptable": is_acceptable,
        },
        **arguments,
    )


def _within(code: str, column: str, limits: Range, **arguments: Any) -> gxe.Expectation:
    """Build the rule that every value of a column lies in a range, whose reason it takes."""
    return _rule(
        gxe.ExpectColumnValuesToBeBetween,
        code=code,
        column=column,
        min_value=limits.minimum,
        max_value=limits.maximum,
        reason=limits.reason,
        **arguments,
    )


def _has_rows(code: str, remedy: str, *, exactly: int | None = None) -> gxe.Expectation:
    """Build the rule that a table has rows, or an exact number of them."""
    return _rule(
        gxe.ExpectTableRowCountToBeBetween,
        code=code,
        min_value=exactly or 1,
        max_value=exactly,
        description=f"the table must have exactly {exactly} row" if exactly else "the table must have rows",
        reason="All other rules pass on a table without rows.",
        remedy=remedy,
    )


def _measured(*columns: str) -> Iterable[gxe.Expectation]:
    """Build the rules that columns have a value in every row."""
    for column in columns:
        yield _rule(
            gxe.ExpectColumnValuesToNotBeNull,
            code=f"{column}_not_measured",
            column=column,
            description=f"{column} must have a value",
            reason="Rules about values pass over rows without one.",
            remedy="Look at the model's joins: a side was not found.",
        )


def _own_share_limits(parameters: MartParameters, segments: Segments) -> Iterable[tuple[str, str, list[str], Range]]:
    """Yield subject, segmentation, segment and the range of its share, for the segments with limits of their own."""
    for segmentation, names in segments.items():
        for name in names:
            subject = f"{segmentation}/{name}"
            if subject in parameters.for_segment:
                yield subject, segmentation, [name], parameters.for_segment[subject]

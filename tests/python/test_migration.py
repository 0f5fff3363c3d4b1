"""The marts of migration against published numbers and cases that fit on paper."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from rendered_marts import Row, render, run

TODAY = date(2024, 6, 30)
START = date(2024, 1, 1)
FOREVER = date(9999, 12, 31)
DAY = timedelta(days=1)

# --- Dwell times -----------------------------------------------------------------

# Weeks of remission of the 21 patients who were given 6-MP (Freireich and others, Blood 21, 1963).
RELAPSES = [6, 6, 6, 7, 10, 13, 16, 22, 23]
CENSORED = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]


def stay(
    customer: int, days: int, ended: bool, segment: str = "ill", previous: str | None = "well", after: str = "well"
) -> list[Any]:
    """A stay of so many days: over, or not over yet after so many, on TODAY."""
    begin = date(2024, 2, 1) if ended else TODAY - timedelta(days=days)
    end = begin + timedelta(days=days) if ended else FOREVER
    return [customer, "seg", segment, previous, after if ended else None, begin, end, not ended]


def dwell(spells: Sequence[Sequence[Any]], last_day: date = TODAY) -> list[Row]:
    """The curves on TODAY of a segmentation whose last day was that one."""
    columns = (
        "customer_id bigint, segmentation varchar, segment varchar, previous_segment varchar, next_segment varchar, "
        "valid_from date, valid_to date, is_current boolean"
    )
    return run(
        render("marts/migration/fct_segment_dwell.sql", TODAY),
        {
            "fct_segment_spells": (columns, spells),
            "segmentation_days": ("segmentation varchar, as_of_date date", [["seg", START], ["seg", last_day]]),
        },
    )


def curve(rows: Sequence[Row], segment: str) -> dict[int, Row]:
    return {row["days"]: row for row in rows if row["segment"] == segment}


def test_dwell_is_the_curve_of_the_6_mp_patients() -> None:
    spells = [stay(number, days, True) for number, days in enumerate(RELAPSES)]
    spells += [stay(100 + number, days, False) for number, days in enumerate(CENSORED)]
    found = curve(dwell(spells), "ill")

    published = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    # Greenwood's standard errors and the log-log interval, as survfit of R prints them.
    errors = {6: 0.0764, 7: 0.0869, 10: 0.0963, 13: 0.1068, 16: 0.1141, 22: 0.1282, 23: 0.1346}
    at_risk = {6: 21, 7: 17, 10: 15, 13: 12, 16: 11, 22: 7, 23: 6}
    for days in published:
        assert found[days]["survival"] == pytest.approx(published[days], abs=0.0005)
        assert found[days]["standard_error"] == pytest.approx(errors[days], abs=0.0001)
        assert found[days]["at_risk"] == at_risk[days]
    assert (found[23]["survival_low"], found[23]["survival_high"]) == pytest.approx((0.188, 0.680), abs=0.0005)
    assert found[0]["at_risk"] == 21
    assert {row["median_days"] for row in found.values()} == {23}
    # Days on which nobody's stay ended leave the curve where it was.
    assert found[35]["survival"] == found[23]["survival"]
    assert sum(row["exits"] for row in found.values()) == len(RELAPSES)
    assert sum(row["censored"] for row in found.values()) == len(CENSORED)


def test_dwell_ends_at_zero_where_everybody_left() -> None:
    found = curve(dwell([stay(1, 2, True), stay(2, 4, True)]), "ill")
    assert [(days, row["survival"], row["median_days"]) for days, row in sorted(found.items())] == [
        (0, 1.0, 2),
        (2, 0.5, 2),
        (4, 0.0, 2),
    ]
    assert [found[4][name] for name in ("standard_error", "survival_low", "survival_high")] == [None, None, None]


def test_dwell_has_no_median_where_half_of_the_stays_last() -> None:
    found = curve(dwell([stay(1, 3, True), stay(2, 5, False), stay(3, 9, False)]), "ill")
    assert found[9]["survival"] == pytest.approx(2 / 3, abs=1e-6)
    assert found[9]["median_days"] is None


def test_nobody_who_came_today_is_known_to_have_stayed_a_day() -> None:
    """Of two stays that began yesterday one ended today; two that began today might end tomorrow, for all we know.

    These once counted as stays that had lasted a day, and half of the stays that last a day became three quarters.
    """
    ended = [1, "seg", "ill", "well", "well", TODAY - DAY, TODAY, False]
    found = curve(dwell([ended, stay(2, 1, False), stay(3, 0, False), stay(4, 0, False)]), "ill")
    assert {days: (row["at_risk"], row["exits"], row["censored"], row["survival"]) for days, row in found.items()} == {
        0: (4, 0, 2, 1.0),
        1: (2, 1, 1, 0.5),
    }


def test_stays_of_a_retired_segmentation_are_as_old_as_on_its_last_day() -> None:
    """They once went on ageing: every day was one more on which nobody left, for nobody looked."""
    last_day = TODAY - 30 * DAY
    ended = [1, "seg", "ill", "well", "well", last_day - 4 * DAY, last_day - 2 * DAY, False]
    open_then = [[2, "seg", "ill", "well", None, last_day - days * DAY, FOREVER, True] for days in (0, 3)]
    found = curve(dwell([ended, *open_then], last_day), "ill")
    assert {days: (row["at_risk"], row["exits"], row["censored"]) for days, row in found.items()} == {
        0: (3, 0, 1),
        2: (2, 1, 0),
        3: (1, 0, 1),
    }
    assert {row["as_of_date"] for row in found.values()} == {TODAY}


def test_dwell_leaves_out_stays_whose_beginning_nobody_saw() -> None:
    unseen = [1, "seg", "ill", None, "well", START, date(2024, 3, 1), False]
    joined_later = [2, "seg", "ill", None, "well", START + DAY, START + 4 * DAY, False]
    found = curve(dwell([unseen, joined_later]), "ill")
    assert {days: row["at_risk"] for days, row in found.items()} == {0: 1, 3: 1}
    assert {row["stays_left_out"] for row in found.values()} == {1}


def test_leaving_the_population_ends_a_stay_and_all_segments_have_a_curve_together() -> None:
    rows = dwell([stay(1, 2, True, after="(left)"), stay(2, 2, True, segment="well"), stay(3, 8, False)])
    assert curve(rows, "ill")[2]["departures"] == 1
    both = curve(rows, "(all)")
    assert {days: (row["at_risk"], row["exits"], row["departures"]) for days, row in both.items()} == {
        0: (3, 0, 0),
        2: (3, 2, 1),
        8: (1, 0, 0),
    }


# --- Rates and flows ----------------------------------------------------------------

DAILY = (
    "as_of_date date, segmentation varchar, segment varchar, customers bigint, entered bigint, exited bigint, "
    'joined bigint, "left" bigint'
)


def test_rates_count_moves_per_thousand_days_of_those_who_could_move() -> None:
    rows = run(
        render("marts/migration/fct_segment_rates.sql", TODAY),
        {
            "fct_segment_daily": (
                DAILY,
                [
                    # The day on which the record begins, when everybody appears, is no month's entry.
                    [date(2024, 1, 29), "seg", "a", 100, 100, 0, 100, 0],
                    [date(2024, 1, 30), "seg", "a", 104, 5, 1, 2, 0],
                    [date(2024, 1, 31), "seg", "a", 96, 0, 8, 0, 3],
                    [date(2024, 2, 1), "seg", "a", 100, 4, 0, 0, 0],
                ],
            )
        },
    )
    january, february = sorted(rows, key=lambda row: row["month_start"])
    # 100 could leave on the 30th, 104 on the 31st.
    assert (january["customers_at_start"], january["customers_at_end"], january["customer_days"]) == (100, 96, 204)
    assert (january["entered"], january["exited"], january["joined"], january["left"]) == (5, 9, 2, 3)
    assert january["net_change"] == -4
    assert (january["entry_rate"], january["exit_rate"]) == pytest.approx((5 / 0.204, 9 / 0.204), abs=1e-6)
    assert (february["customer_days"], february["entry_rate"], february["exit_rate"]) == (
        96,
        pytest.approx(4 / 0.096, abs=1e-6),
        0,
    )


MIGRATIONS = (
    "period varchar, period_start date, period_end date, segmentation varchar, from_segment varchar, "
    "to_segment varchar, customers bigint"
)


def test_flows_set_off_both_ways_between_two_segments() -> None:
    january = ["month", date(2024, 1, 1), date(2024, 1, 31), "seg"]
    moves = [("a", "b", 7), ("b", "a", 10), ("a", "a", 50), ("(new)", "b", 3), ("a", "(left)", 2)]
    rows = run(
        render("marts/migration/fct_segment_flows.sql", TODAY),
        {"fct_segment_migrations": (MIGRATIONS, [january + list(move) for move in moves])},
    )
    names = ("segment", "other_segment", "customers_out", "customers_in", "net_customers_in")
    assert sorted(tuple(row[name] for name in names) for row in rows) == [
        ("(left)", "a", 0, 2, 2),
        ("(new)", "b", 3, 0, -3),
        ("a", "b", 7, 10, 3),
    ]


# --- Projections --------------------------------------------------------------------


def month(number: int) -> list[Any]:
    """The month of 2024, as the first columns of a migration."""
    first = date(2024, number, 1)
    return ["month", first, date(2024, number + 1, 1) - DAY, "seg"]


def project(
    last_date: date,
    moves: dict[int, dict[tuple[str, str], int]],
    sizes: dict[date, dict[str, int]],
    rules_from: date = date(2023, 12, 31),
    other_rules: tuple[date, date] | None = None,
) -> dict[tuple[date, int, str], Row]:
    """Projections under rules of that day, which others perhaps replaced from one day to another."""
    days = [date(2023, 12, 1) + number * DAY for number in range((last_date - date(2023, 12, 1)).days + 1)]
    versions = ["old" if day < rules_from else "now" for day in days]
    if other_rules:
        first, last = other_rules
        versions = ["tried" if first <= day <= last else version for day, version in zip(days, versions, strict=True)]
    rows = run(
        render("marts/migration/fct_segment_projections.sql", last_date),
        {
            "fct_segment_migrations": (
                MIGRATIONS,
                [[*month(number), *way, count] for number, ways in moves.items() for way, count in ways.items()],
            ),
            "fct_segment_daily": (
                "as_of_date date, segmentation varchar, segment varchar, customers bigint",
                [[day, "seg", segment, count] for day, counts in sizes.items() for segment, count in counts.items()],
            ),
            "segmentation_days": (
                "segmentation varchar, as_of_date date, rule_version varchar",
                [["seg", day, version] for day, version in zip(days, versions, strict=True)],
            ),
        },
    )
    return {(row["projected_from"], row["months_ahead"], row["segment"]): row for row in rows}


def test_projection_is_the_chain_worked_out_by_hand() -> None:
    """Of a's customers 10 % go to b and 10 % leave; of b's 20 % go to a; 5 arrive in a every month."""
    one_month = {
        **{("a", "a"): 80, ("a", "b"): 10, ("a", "(left)"): 10},
        **{("b", "a"): 20, ("b", "b"): 80, ("(new)", "a"): 5},
    }
    found = project(date(2024, 3, 31), {3: one_month}, {date(2024, 3, 31): {"a": 200, "b": 50}})
    projected = {(ahead, segment): row["projected_customers"] for (_, ahead, segment), row in found.items()}
    # a: .8 * 200 + .2 * 50 + 5 = 175, b: .1 * 200 + .8 * 50 = 60; then .8 * 175 + .2 * 60 + 5 = 157 and so on.
    assert projected == {
        **{(1, "a"): 175, (1, "b"): 60},
        **{(2, "a"): 157, (2, "b"): 65.5},
        **{(3, "a"): pytest.approx(143.7), (3, "b"): pytest.approx(68.1)},
    }
    assert [found[date(2024, 3, 31), ahead, "a"]["projected_date"] for ahead in (1, 2, 3)] == [
        date(2024, 4, 30),
        date(2024, 5, 31),
        date(2024, 6, 30),
    ]


def test_projection_pools_the_last_three_whole_months_under_the_rules_in_force() -> None:
    moves = {
        1: {("a", "b"): 100},  # other rules
        2: {("a", "b"): 50, ("a", "a"): 50},  # too long ago
        3: {("a", "b"): 10, ("a", "a"): 90},
        4: {("a", "b"): 20, ("a", "a"): 80},
        5: {("a", "b"): 0, ("a", "a"): 300},
        6: {("a", "b"): 99, ("a", "a"): 1},  # not over
    }
    today = date(2024, 6, 15)
    sizes = {today: {"a": 1000, "b": 0}, date(2024, 4, 30): {"a": 500, "b": 40}}
    found = project(today, moves, sizes, rules_from=date(2024, 1, 15))
    assert found[today, 1, "a"]["months_pooled"] == 3
    # 30 of 500 moved on.
    assert found[today, 1, "b"]["projected_customers"] == 60
    assert found[today, 1, "b"]["projected_date"] == date(2024, 7, 15)
    # From the end of April, only February to April were known: 80 of 300.
    assert found[date(2024, 4, 30), 1, "a"]["projected_customers"] == pytest.approx(500 * 220 / 300, abs=0.005)


def test_projection_does_not_pool_months_of_rules_that_were_tried_in_between() -> None:
    """Rules were changed in the middle of March and back on the 10th of April.

    They once counted as in force since the winter, and what the other rules and the changes moved was projected.
    """
    settled = {("a", "a"): 90, ("a", "b"): 10, ("b", "b"): 100}
    moved_by_rules = {("a", "b"): 100, ("b", "a"): 100}
    moves = {1: settled, 2: settled, 3: moved_by_rules, 4: moved_by_rules, 5: settled, 6: settled}
    today = date(2024, 6, 30)
    sizes = {
        date(2024, number, day): {"a": 100, "b": 100}
        for number, day in ((1, 31), (2, 29), (3, 31), (4, 30), (5, 31), (6, 30))
    }
    found = project(today, moves, sizes, other_rules=(date(2024, 3, 15), date(2024, 4, 9)))
    # February, when the same rules decided, counts beside May and June.
    assert found[today, 1, "a"]["months_pooled"] == 3
    assert found[today, 1, "a"]["projected_customers"] == 90
    # Nor is projected from a month's end whose month is of others.
    origins = sorted({projected_from for projected_from, _, _ in found})
    assert origins == [date(2024, 1, 31), date(2024, 2, 29), date(2024, 5, 31), today]


def test_a_month_counts_only_if_the_rules_in_force_decided_where_it_began() -> None:
    """The day before it, too: who moved on the first because the rules changed back is no example."""
    moves = {number: {("a", "a"): 10} for number in (3, 4, 5)}
    sizes = {month(number)[2]: {"a": 10} for number in (3, 4, 5)}
    may = month(5)[2]
    found = project(may, moves, sizes, other_rules=(date(2024, 2, 10), date(2024, 3, 31)))
    assert found[may, 1, "a"]["months_pooled"] == 1
    found = project(may, moves, sizes, other_rules=(date(2024, 2, 10), date(2024, 3, 30)))
    assert found[may, 1, "a"]["months_pooled"] == 2
    # One day of others is enough.
    found = project(may, moves, sizes, other_rules=(date(2024, 4, 12), date(2024, 4, 12)))
    assert found[may, 1, "a"]["months_pooled"] == 2
    assert (date(2024, 4, 30), 1, "a") not in found


def test_a_projection_is_not_held_against_sizes_by_other_rules() -> None:
    """Nor against those of a day that came after others: the customers moved twice because the rules did."""
    ends = [month(number)[2] for number in range(1, 6)]
    moves = {number: {("a", "a"): 10} for number in range(1, 6)}
    sizes = {day: {"a": 10 + number} for number, day in enumerate(ends)}
    found = project(ends[-1], moves, sizes, other_rules=(date(2024, 3, 20), date(2024, 4, 2)))
    january = {ahead: found[ends[0], ahead, "a"]["actual_customers"] for ahead in (1, 2, 3)}
    assert january == {1: 11, 2: None, 3: None}
    without = project(ends[-1], moves, sizes)
    assert {ahead: without[ends[0], ahead, "a"]["actual_customers"] for ahead in (1, 2, 3)} == {1: 11, 2: 12, 3: 13}


def test_projection_takes_who_is_in_a_segment_without_a_past_to_stay() -> None:
    today = date(2024, 3, 31)
    found = project(today, {3: {("a", "a"): 10}}, {today: {"a": 10, "fresh": 7}})
    assert found[today, 3, "fresh"]["projected_customers"] == 7


def test_projection_knows_what_came() -> None:
    sizes = {date(2024, 3, 31): {"a": 10}, date(2024, 4, 30): {"a": 9}}
    found = project(date(2024, 4, 30), {3: {("a", "a"): 10}, 4: {("a", "a"): 9, ("a", "(left)"): 1}}, sizes)
    assert found[date(2024, 3, 31), 1, "a"]["actual_customers"] == 9
    assert found[date(2024, 3, 31), 2, "a"]["actual_customers"] is None


def test_backtest_weighs_errors_by_customers_beside_no_change() -> None:
    names = (
        "segmentation varchar, segment varchar, projected_from date, months_ahead bigint, customers_at_start bigint, "
        "projected_customers double, actual_customers bigint"
    )
    may, june = date(2024, 5, 31), date(2024, 6, 30)
    rows = run(
        render("marts/migration/fct_projection_backtest.sql", TODAY),
        {
            "fct_segment_projections": (
                names,
                [
                    ["seg", "a", may, 1, 100, 108.0, 110],
                    ["seg", "b", may, 1, 50, 41.0, 40],
                    ["seg", "a", june, 1, 110, 118.0, None],
                ],
            )
        },
    )
    found = {row["segment"]: row for row in rows}
    assert found["a"]["projections"] == 1
    assert found["a"]["weighted_error"] == pytest.approx(2 / 110, abs=1e-6)
    assert found["(all)"]["weighted_error"] == pytest.approx(3 / 150, abs=1e-6)
    assert found["(all)"]["no_change_weighted_error"] == pytest.approx(20 / 150, abs=1e-6)
    assert found["(all)"]["mean_percentage_error"] == pytest.approx((2 / 110 + 1 / 40) / 2, abs=1e-6)
    assert found["(all)"]["no_change_mean_percentage_error"] == pytest.approx((10 / 110 + 10 / 40) / 2, abs=1e-6)
    assert found["(all)"]["is_better_than_no_change"]


# --- Life paths ---------------------------------------------------------------------


def life_paths(spells: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    columns = (
        "customer_id bigint, segmentation varchar, segment varchar, valid_from date, valid_to date, "
        "is_current boolean, days bigint"
    )
    rows = run(render("marts/migration/fct_life_paths.sql", TODAY), {"fct_segment_spells": (columns, spells)})
    names = ("place", "life_path", "stays", "customers", "customer_share", "median_days")
    return sorted(tuple(row[name] for name in names) for row in rows)


def test_life_paths_are_the_last_five_stays_ranked_by_customers() -> None:
    def lives(customer: int, *segments: str) -> list[list[Any]]:
        """Stays of ten days each, the last one open unless it is (left)."""
        rows = []
        for number, segment in enumerate(segments):
            if segment != "(left)":
                begin = TODAY + DAY - timedelta(days=10 * (len(segments) - number))
                is_last = number == len(segments) - 1
                rows.append([customer, "seg", segment, begin, FOREVER if is_last else begin + 10 * DAY, is_last, 10])
        return rows

    spells = [
        *lives(1, "a", "b"),
        *lives(2, "a", "b"),
        *lives(3, "c", "b", "a", "b", "a", "b", "a"),
        *lives(4, "a", "(left)"),
    ]
    assert life_paths(spells) == [
        (1, "a > b", 2, 2, 0.5, 20.0),
        (2, "a > (left)", 1, 1, 0.25, 10.0),
        (3, "a > b > a > b > a", 5, 1, 0.25, 50.0),
    ]


def test_life_paths_of_a_retired_segmentation_do_not_grow_longer() -> None:
    """Its open stay has the four days that it had on the last one; it once went on ageing."""
    changed, last_day = date(2024, 3, 8), date(2024, 3, 11)
    spells = [
        [1, "seg", "a", date(2024, 3, 1), changed, False, 7],
        [1, "seg", "b", changed, FOREVER, True, (last_day - changed).days + 1],
    ]
    assert life_paths(spells) == [(1, "a > b", 2, 1, 1.0, 11.0)]

"""Measures how well the alerts do, on months without a change and with planted ones, made from the demo's own days.

python -m benchmarks.alerts [--months N] [--cases N] [--seed N]

The models' compiled SQL runs on made-up worlds. The sizes, means and shares of a world are the demo's: the level of
its days, and their deviations from a moving median, in stretches of four weeks drawn at random, the same for all
series. Each stretch is faded into the next over a week, so that one day follows another as it did in the demo.
Customers are drawn again every week, with replacement, from those of one day, and so are those of the baseline. Worlds
lie one after the other in time, so that one statement judges them all, and no test of one is counted with those of
another. Claims of personas are judged as on the demo's days; rates of responses and what is outgrown are left out.
"""

import argparse
import sys
from datetime import date, timedelta
from types import SimpleNamespace

import duckdb
from rich.console import Console
from rich.table import Table

from flows.rules.macros import macros
from flows.steps.project import ROOT, Project

FIRST_BASELINE, FIRST_WORLD = date(2000, 1, 3), date(2100, 1, 4)
MONTH, FOUND_WITHIN, SHIFT = 28, 3, 1.2
# The demo's days whose deviations are drawn, whole weeks, and the day whose customers are drawn.
FIRST_DAY, LAST_DAY, POPULATION_DAY = date(2017, 5, 1), date(2017, 12, 3), date(2017, 10, 1)
# Days of a stretch, and of the next one that it is faded into.
STRETCH, FADE = 28, 7
# Half of the worlds grow by this part a week, which is no change.
GROWTH = 0.01
# The planted cases, by the change that the test itself says it would have seen on the first day, and by what the series
# usually deviates or changes from one day to the next: the condition of each class, in order.
CLASSES = {
    "said to be seen": {
        f"{SHIFT - 1:.0%} or less": f"seen <= {SHIFT} - 1",
        "only more": f"seen > {SHIFT} - 1",
        "not judged": "seen is null",
        "all": "true",
    },
    "usual deviation or step": {
        "below 1.5 %": "usual < 0.015",
        "1.5 % to 3 %": "usual >= 0.015 and usual < 0.03",
        "3 % to 6 %": "usual >= 0.03 and usual < 0.06",
        "above 6 %": "usual >= 0.06",
        "not judged": "usual is null",
        "all": "true",
    },
}
# Of what is planted.
NOTHING = "select 0 as world, '' as kind, '' as segmentation, '' as segment, '' as feature limit 0"


class Worlds:
    """Worlds in an in-memory database, made of the demo's warehouse."""

    def __init__(self, project: Project, seed: int) -> None:
        """Read what worlds are made of from the project's warehouse."""
        self.variables = project.vars
        self.seed = seed
        self.connection = duckdb.connect()
        self.connection.execute("set enable_progress_bar = false; set preserve_insertion_order = false")
        spilled = ROOT / "build" / "bench" / "spilled"
        spilled.parent.mkdir(parents=True, exist_ok=True)
        self.connection.execute(f"set memory_limit = '2GB'; set temp_directory = '{spilled}'")
        self.connection.execute(f"attach '{project.warehouse}' as tessera (read_only)")
        self.history = project.vars["alert_usual_days"] + 7 * project.vars["alert_compared_weeks"]
        self._read_demo()

    def sql(self, path: str, first: date, last: date) -> str:
        """The compiled SQL of a model for a window, whose days are those of the table judged_days."""
        engine = SimpleNamespace(
            type_string=lambda: "varchar",
            date_spine=lambda *_: "select as_of_date as date_day from judged_days",
        )
        known = macros(
            variables={**self.variables, "first_date": str(first), "last_date": str(last)},
            dbt=engine,
            source=lambda _name, table: table,
        )
        return known.render(path)

    def create(self, name: str, sql: str) -> None:
        """Make a table again."""
        self.connection.execute(f"create or replace table {name} as {sql}")

    def _read_demo(self) -> None:
        """Levels and deviations of every series, the customers of a day, and their distributions as the baseline."""
        self.create("dim_segments", "from tessera.marts.dim_segments")
        self.create("dim_segmentations", "from tessera.marts.dim_segmentations")
        self.create(
            "alert_acknowledgements",
            "select '' as alert_id, '' as acknowledged_by, '' as note, timestamp '2000-01-01' as acknowledged_at "
            "limit 0",
        )
        self.create(
            "demo_series",
            """
            select 'size' as kind, segmentation, segment, 'customers' as feature, as_of_date, customers::double as value
            from tessera.marts.fct_segment_daily
            union all
            select 'level', segmentation, segment, feature, as_of_date, mean from tessera.marts.fct_segment_drift
            union all
            select 'share_explained', segmentation, '(all)', 'share_explained', as_of_date, share_explained
            from tessera.marts.fct_segmentation_quality
            """,
        )
        self.create(
            "deviations",
            f"""
            select *, value / usual - 1 as deviation
            from (
                select *, median(value) over (
                    partition by kind, segmentation, segment, feature order by as_of_date
                    range between interval 28 days preceding and interval 28 days following
                ) as usual
                from demo_series
            )
            where usual > 0 and as_of_date between date '{FIRST_DAY}' and date '{LAST_DAY}'
            """,
        )
        days = (LAST_DAY - FIRST_DAY).days + 1
        self.create(
            "source_days",
            f"select kind, segmentation, segment, feature, as_of_date - date '{FIRST_DAY}' as source_day, deviation, "
            "median(value) over (partition by kind, segmentation, segment, feature) as level "
            f"from deviations qualify count(*) over (partition by kind, segmentation, segment, feature) = {days}",
        )
        self.create(
            "usual_steps",
            """
            select kind, segmentation, segment, feature, median(abs(step)) / 0.6745 as usual_step
            from (
                select *, deviation - lag(deviation) over (
                    partition by kind, segmentation, segment, feature order by source_day
                ) as step
                from source_days
            )
            group by all
            """,
        )
        # Stretches begin on the first day's weekday, and leave room for what they are faded out with.
        self.starts = (days - STRETCH - FADE) // 7 + 1
        names = ", ".join(self.variables["drift_features"])
        self.create(
            "population",
            f"select row_number() over (order by customer_id) - 1 as place, customer_id, {names} "
            f"from tessera.features.customer_features where as_of_date = date '{POPULATION_DAY}'",
        )
        if not self.connection.table("population").count("*").fetchone()[0]:
            raise SystemExit(
                f"The features of {POPULATION_DAY} are not at hand, only those of the last run's days. Build the "
                "demo in one run: export TESSERA_WAREHOUSE=build/alerts/tessera.duckdb; dbt build."
            )
        self.create(
            "recent_spells",
            "select customer_id, segmentation, segment, date '2000-01-01' as valid_from, date '9999-12-31' as valid_to "
            f"from tessera.marts.fct_segment_spells where date '{POPULATION_DAY}' >= valid_from "
            f"and date '{POPULATION_DAY}' < valid_to",
        )
        self.create("fct_segment_spells", "from recent_spells")
        self._set_days(f"select 0 as world, date '{FIRST_BASELINE}' as as_of_date")
        self.create("customer_features", f"select date '{FIRST_BASELINE}' as as_of_date, * from population")
        self.create("drift_baselines", self.sql("history/drift_baselines.sql", FIRST_BASELINE, FIRST_BASELINE))
        self.create(
            "targets",
            "select distinct segmentation, segment, feature from drift_baselines semi join source_days "
            "using (segmentation, segment, feature)",
        )

    def _set_days(self, days: str) -> None:
        """The days of the next statement, a select of (world, as_of_date): every world has a version of the rules."""
        self.create("judged_days", days)
        self.create(
            "segmentation_days",
            "select as_of_date, segmentation, 'of world ' || world as rule_version from judged_days "
            "cross join (select distinct segmentation from recent_spells)",
        )

    def judge(self, worlds: int, days: int, planted: str) -> None:
        """Make so many worlds, judge their last days, and leave fct_alert_tests with a column `world`.

        Args:
            worlds: how many.
            days: the days judged in each; what is planted begins with the first of them.
            planted: a select of (world, kind, segmentation, segment, feature) whose values are SHIFT times as high.
        """
        stride = 7 * ((self.history + days) // 7 + 20)
        last = FIRST_WORLD + timedelta(days=stride * worlds)
        seed = self.seed
        judged = f"day >= {self.history}"

        def start(stretch: str) -> str:
            return f"7 * (hash(world, {stretch}, {seed}) % {self.starts})::integer"

        self.create("planted", planted)
        self.create("worlds", f"select range as world from range({worlds})")
        self.create(
            "world_days",
            f"""
            select world, day, date '{FIRST_WORLD}' + (world * {stride} + day)::integer as as_of_date,
                -- In every world the first judged day is another one of its stretch.
                day + (hash(world, {seed}) % {STRETCH})::integer as place,
                {start(f"place // {STRETCH}")} + place % {STRETCH} as source_day,
                case
                    when place % {STRETCH} >= {FADE} then source_day
                    else {start(f"place // {STRETCH} - 1")} + {STRETCH} + place % {STRETCH}
                end as fading_day,
                least((place % {STRETCH} + 1) / {FADE + 1}.0, 1) * pi() / 2 as angle,
                -- The customers of a day are drawn on the first judged day of its week.
                date '{FIRST_WORLD}' + (world * {stride} + {self.history} + (day - {self.history}) // 7 * 7)::integer
                    as drawn_on
            from worlds, range({self.history + days}) as days (day)
            """,
        )
        self.create(
            "world_series",
            f"""
            select
                world_days.world, kind, segmentation, segment, feature, as_of_date, day,
                -- Squares that add up to one keep the variance of two stretches.
                source_days.level * (1 + sin(angle) * source_days.deviation + cos(angle) * fading_days.deviation)
                * case when kind = 'size' and world_days.world % 2 = 1 then power({1 + GROWTH}, day / 7.0) else 1 end
                * case when planted.world is not null and day >= {self.history} then {SHIFT} else 1 end as value
            from world_days
            inner join source_days using (source_day)
            inner join (select * rename (source_day as fading_day) from source_days) as fading_days
                using (kind, segmentation, segment, feature, fading_day)
            left join planted using (world, kind, segmentation, segment, feature)
            """,
        )
        self.create(
            "fct_segment_daily",
            "select as_of_date, segmentation, segment, cast(round(value) as bigint) as customers "
            "from world_series where kind = 'size'",
        )
        self.create(
            "fct_segmentation_quality",
            "select as_of_date, segmentation, 1000 as customers, value as share_explained, "
            "cast(null as double) as adjusted_rand_index, cast(null as double) as adjusted_rand_index_error "
            "from world_series where kind = 'share_explained'",
        )
        self.create(
            "fct_segment_response_rates",
            "select date '2000-01-01' as as_of_date, '' as segmentation, '' as segment, 0.0::double as response_rate, "
            "0.0::double as response_rate_before, 0.0::double as p_value_of_fall limit 0",
        )
        self.create(
            "fct_persona_daily",
            "select world_days.as_of_date, claims.* exclude (as_of_date) "
            "from tessera.marts.fct_persona_daily as claims inner join world_days "
            f"on claims.as_of_date = date '{FIRST_DAY}' + cast(world_days.source_day as integer) where {judged}",
        )
        # The customers of a baseline are a sample, too, each world's its own.
        self._draw_customers(f"select world, date '{FIRST_BASELINE}' + world::integer as as_of_date from worlds")
        last_baseline = FIRST_BASELINE + timedelta(days=worlds - 1)
        self.create("drift_baselines", self.sql("history/drift_baselines.sql", FIRST_BASELINE, last_baseline))
        self._draw_customers(f"select distinct world, drawn_on as as_of_date from world_days where {judged}", planted)
        self.create("drawn_drift", self.sql("marts/alerts/fct_segment_drift.sql", FIRST_WORLD, last))
        self.create("judged_days", f"select as_of_date from world_days where {judged}")
        self.create(
            "fct_segment_drift",
            f"""
            select
                world_series.as_of_date, segmentation, segment, feature, value as mean,
                coalesce(drawn_drift.customers, 1000) as customers,
                coalesce(drawn_drift.psi, 0) as psi, coalesce(drawn_drift.critical_psi, 1) as critical_psi,
                coalesce(drawn_drift.p_value, 1) as p_value, coalesce(drawn_drift.is_drifted, false) as is_drifted
            from world_series
            inner join world_days using (world, day)
            left join (select * rename (as_of_date as drawn_on) from drawn_drift) as drawn_drift
                using (drawn_on, segmentation, segment, feature)
            where kind = 'level' and (drawn_drift.segment is not null or day < {self.history})
            """,
        )
        tests = self.sql("marts/alerts/fct_alert_tests.sql", FIRST_WORLD, last)
        self.create(
            "fct_alert_tests",
            f"select tests.*, world, day - {self.history} as day from ({tests}) as tests "
            f"inner join world_days using (as_of_date) where day >= {self.history}",
        )

    def _draw_customers(self, days: str, planted: str = NOTHING) -> None:
        """The customers of some days of worlds, drawn with replacement; what is planted changes their values."""
        self._set_days(days)
        columns = ", ".join(
            f"population.{name} * case when list_contains(planted.features, '{name}') "
            f"and recent_spells.customer_id is not null then {SHIFT} else 1 end as {name}"
            for name in self.variables["drift_features"]
        )
        self.create(
            "customer_features",
            f"""
            select draws.as_of_date, population.customer_id, {columns}
            from (
                select world, as_of_date,
                    hash(world, as_of_date, range, {self.seed}) % (select count(*) from population) as place
                from judged_days, range((select count(*) from population))
            ) as draws
            inner join population using (place)
            left join (
                select world, segmentation, segment, list(feature) as features
                from ({planted}) where kind = 'level' group by all
            ) as planted using (world)
            left join recent_spells
                on population.customer_id = recent_spells.customer_id
                and planted.segmentation = recent_spells.segmentation
                and planted.segment = recent_spells.segment
            """,
        )

    def opened(self, world: int) -> list[str]:
        """The kinds of the alerts that were opened in a world."""
        self.connection.execute("alter table fct_alert_tests rename to tests_of_all")
        self.create("fct_alert_tests", f"select * exclude (world, day) from tests_of_all where world = {world}")
        found = self.connection.sql(
            f"select kind from ({self.sql('marts/alerts/fct_alerts.sql', FIRST_DAY, LAST_DAY)})"
        )
        kinds = [kind for (kind,) in found.fetchall()]
        self.connection.execute("drop table fct_alert_tests; alter table tests_of_all rename to fct_alert_tests")
        return kinds


def main() -> int:
    """Measure and print; returns 1 where months without a change have more than one false alert on average."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alerts")
    parser.add_argument("--months", type=int, default=100, metavar="N", help="months without a change")
    parser.add_argument("--cases", type=int, default=150, metavar="N", help="planted changes of each kind")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    worlds = Worlds(Project(), arguments.seed)

    worlds.judge(
        arguments.months,
        MONTH,
        NOTHING,
    )
    false_alerts = [worlds.opened(world) for world in range(arguments.months)]
    tests = worlds.connection.sql("select avg(tests) from fct_alert_tests").fetchone()[0]
    table = Table(
        title=f"{arguments.months} months of {MONTH} days without a change, {tests:.0f} tests a day",
        title_justify="left",
    )
    for name in ("worlds", "false alerts a month", "months with none", "with one", "with more", "kinds"):
        table.add_column(name, justify="left" if name in ("worlds", "kinds") else "right")
    for name, months in {
        "steady": false_alerts[0::2],
        f"sizes grow by {GROWTH:.0%} a week": false_alerts[1::2],
        "all": false_alerts,
    }.items():
        counts = [len(month) for month in months]
        kinds = sorted(kind for month in months for kind in month)
        table.add_row(
            name,
            f"{sum(counts) / len(counts):.2f}",
            str(counts.count(0)),
            str(counts.count(1)),
            str(sum(count > 1 for count in counts)),
            ", ".join(f"{kind} {kinds.count(kind)}" for kind in dict.fromkeys(kinds)),
        )
    console.print(table)

    for title, kind, source in (
        ("values of a feature in a segment", "level", "select *, [feature] as features from targets"),
        (
            "values of all features in a segment",
            "level",
            "select segmentation, segment, list(feature order by feature) as features from targets group by all",
        ),
        (
            "size of a segment",
            "size",
            "select distinct segmentation, segment, ['customers'] as features from targets",
        ),
    ):
        worlds.judge(
            arguments.cases,
            FOUND_WITHIN,
            planted_cases(kind, source, arguments.cases, arguments.seed),
        )
        print_found(console, worlds, f"{arguments.cases} planted cases: {title} times {SHIFT}", kind)
    return 1 if sum(map(len, false_alerts)) > arguments.months else 0


def planted_cases(kind: str, source: str, cases: int, seed: int) -> str:
    """A select of what is planted in which world: in a random order, everything once before anything twice.

    Args:
        kind: of the tests whose series are changed.
        source: a select of (segmentation, segment, features); a case changes all features of a row.
        cases: how many.
        seed: of the order.
    """
    return (
        "select * exclude (features), unnest(features) as feature from ("
        f"select row_number() over (order by place, chance) - 1 as world, '{kind}' as kind, "
        "segmentation, segment, features "
        "from (select *, "
        f"hash(segmentation, segment, array_to_string(features, ', '), place, {seed}) as chance from ({source}), "
        f"range({cases}) as repeats (place)) qualify world < {cases})"
    )


def print_found(console: Console, worlds: Worlds, title: str, kind: str) -> None:
    """Print how many planted cases were found within FOUND_WITHIN days, by CLASSES.

    A case of several features is of the class of the one that is easiest to see.
    """
    worlds.create(
        "found",
        f"""
        select
            world, min(seen) as seen, min(usual) as usual, bool_or(by_series) as by_series,
            bool_or(by_distribution) as by_distribution, bool_or(at_once) as at_once
        from (
            select
                world,
                planted.feature,
                max(case when tests.kind = '{kind}' and day = 0 then detectable_change end) as seen,
                -- Of what was not judged there is no deviation.
                case
                    when bool_or(tests.kind = '{kind}') then least(
                        max(
                            case
                                when tests.kind = '{kind}' then abs(observed / expected - 1) / nullif(abs(score), 0)
                            end
                        ),
                        greatest(any_value(usual_step), 0.01)
                    )
                end as usual,
                coalesce(bool_or(tests.kind = '{kind}' and is_alert), false) as by_series,
                coalesce(bool_or(tests.kind = 'distribution' and is_alert), false) as by_distribution,
                coalesce(bool_or(tests.kind = '{kind}' and is_alert and day = 0), false) as at_once
            from planted
            left join fct_alert_tests as tests using (world, segmentation, segment, feature)
            left join usual_steps
                on planted.kind = usual_steps.kind and planted.segmentation = usual_steps.segmentation
                and planted.segment = usual_steps.segment and planted.feature = usual_steps.feature
            group by world, planted.feature
        )
        group by world
        """,
    )
    for name, classes in CLASSES.items():
        table = Table(title=title, title_justify="left")
        for column in (
            name,
            "cases",
            f"found by {kind}",
            "by distribution",
            f"found within {FOUND_WITHIN} days",
            "on the first",
        ):
            table.add_column(column, justify="left" if column == name else "right")
        for label, condition in classes.items():
            cases, *counts = worlds.connection.sql(
                "select count(*), count_if(by_series), count_if(by_distribution), "
                f"count_if(by_series or by_distribution), count_if(at_once) from found where {condition}"
            ).fetchone()
            if cases:
                table.add_row(label, str(cases), *(f"{count} ({count / cases:.0%})" for count in counts))
        console.print(table)


if __name__ == "__main__":
    sys.exit(main())

"""What a change of rules would do, found on the released features without touching the warehouse."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import duckdb

from flows.rules.definitions import RuleError, metas_of_release, parse
from flows.rules.explain import explained
from flows.rules.macros import macros
from flows.rules.replay import Replay, replay
from flows.steps.databases import catalog_name, file_text
from flows.steps.errors import RunStopped
from flows.steps.project import ROOT, Project
from flows.steps.window import published_date
from macros.python.rules import sql
from macros.python.rules.compiled import decided_lines
from macros.python.rules.features import read_features
from macros.python.rules.proofs import (
    Difference,
    FixedClause,
    Unreachable,
    difference,
    fixed_clauses,
    unreachable_segments,
)
from macros.python.rules.tree import Segmentation

SHOWN_CUSTOMERS = 10


@dataclass(frozen=True)
class Size:
    """A segment before and after; None where it does not exist."""

    segment: str
    before: int | None
    after: int | None
    net_sales_before: float
    net_sales_after: float

    @property
    def change(self) -> float:
        """How much it grows or shrinks, as a share of its size before; infinite where it had nobody."""
        before, after = self.before or 0, self.after or 0
        if before == after:
            return 0.0
        return abs(after - before) / before if before else float("inf")


@dataclass(frozen=True)
class Move:
    """Customers that another segment would get, with their net sales of the last 365 days."""

    from_segment: str
    to_segment: str
    customers: int
    net_sales: float


@dataclass(frozen=True)
class Mover:
    """A customer that would move, with the columns of their explanations before and after, by name."""

    customer: Any
    from_segment: str
    to_segment: str
    net_sales: float
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(frozen=True)
class EdgePercentile:
    """A percentile in a rule that separates nobody: it is its feature's lowest or highest value, or there is none."""

    feature: str
    percentile: int
    cut_point: float | None
    position: str


@dataclass(frozen=True)
class Change:
    """What happens to one segmentation.

    Attributes:
        name: the segmentation.
        before: its released definition, None where it is new.
        after: its definition in the working tree, None where it was taken out.
        settings: what changes beside the rules, as text.
        sizes: of every segment, in the order of the rules.
        moves: from and to, most customers first.
        movers: those who change most: with most net sales.
        waiting: how many wait in the release for the confirmation of a move, and count elsewhere than the rules say.
        counting: customers by segment as they count in the release.
        equivalent: whether both definitions are proved to mean the same; None where there is nothing to compare.
        difference: a customer whom they treat differently, where they do.
        histories: the replays of both, with --history.
    """

    name: str
    before: Segmentation | None
    after: Segmentation | None
    settings: list[str]
    sizes: list[Size] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    movers: list[Mover] = field(default_factory=list)
    waiting: int = 0
    counting: dict[str, int] = field(default_factory=dict)
    equivalent: bool | None = None
    difference: Difference | None = None
    histories: tuple[Replay, Replay] | None = None

    @property
    def owners(self) -> list[str]:
        """Those who answer for the segmentation and for the segments that change."""
        changed = {size.segment for size in self.sizes if size.before != size.after}
        changed |= {segment for move in self.moves for segment in (move.from_segment, move.to_segment)}
        definitions = [definition for definition in (self.before, self.after) if definition]
        owners = [definition.owner for definition in definitions]
        owners += [
            segment.owner for definition in definitions for segment in definition.segments if segment.name in changed
        ]
        return list(dict.fromkeys(owners))


@dataclass(frozen=True)
class Plan:
    """What the rules of the working tree would change in the current release."""

    as_of_date: date
    changes: list[Change]
    unchanged: list[str]
    unreachable: list[Unreachable]
    fixed: list[FixedClause]
    max_change: float
    at_the_edge: list[EdgePercentile] = field(default_factory=list)
    history_first: date | None = None
    history_days: list[date] = field(default_factory=list)

    @property
    def too_large(self) -> list[tuple[str, Size]]:
        """The segments that would gain or lose more than the share that may pass unasked."""
        return [
            (change.name, size)
            for change in self.changes
            if change.before and change.after
            for size in change.sizes
            if size.change > self.max_change
        ]

    @property
    def is_fine(self) -> bool:
        """Whether every segment can be reached and none changes too much."""
        return not self.unreachable and not self.too_large


class Rules:
    """One set of definitions on the features of the release: those of the release, or those of the working tree."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        schema: str,
        project: Project,
        metas: Mapping[str, Mapping[str, Any]] | None,
    ) -> None:
        """Parse the definitions; their decisions will stand in tables of the schema."""
        self.connection = connection
        self.schema = schema
        self.variables = project.vars
        self.definitions: dict[str, Segmentation] = {
            each.name: each for each in parse(metas, history_start=project.given_history_start)
        }

    def decide(self, names: set[str]) -> None:
        """Decide segmentations by these rules, and those that they build on."""
        wanted = names | {below for name in names for below in self.definitions[name].builds_on}
        for name, definition in self.definitions.items():
            if name in wanted:
                self.connection.execute(
                    f"create or replace table {self.schema}.{name} as {decided_query(definition, self.schema)}"
                )

    def explain(self, name: str, day: date, customers: str) -> dict[Any, dict[str, Any]]:
        """The explanations of some customers (a query) by these rules, by customer."""
        needed = [
            each
            for each in self.definitions.values()
            if each.name == name or each.name in self.definitions[name].builds_on
        ]
        states = " union all ".join(
            f"select customer_id, segmentation, segment from {self.schema}.{each.name}" for each in needed
        )
        relations = {
            "customer_features": f"from main.customer_features semi join ({customers}) using (customer_id)",
            "segments": states,
            "rule_cut_points": "from main.rule_cut_points",
            "score_cut_points": "from main.score_cut_points",
            "feature_units": "from release.marts.fct_feature_units",
        }
        rows = explained(self.connection, needed, day, relations)
        return {row["customer_id"]: row for row in rows if row["segmentation"] == name}

    def replay(self, name: str, first: date, last: date, days: list[date]) -> Replay:
        """Replay a segmentation over days whose features stand in all_features."""
        schema = f"{self.schema}_history"
        self.connection.execute(f"create schema if not exists {schema}")
        relations = {
            "customer_features": "all_features",
            "rule_cut_points": "all_rule_cut_points",
            "score_cut_points": "score_cut_points",
        }
        known = macros(
            definitions=list(self.definitions.values()),
            variables=self.variables | {"first_date": str(first), "last_date": str(last)},
            relation=lambda model: relations.get(model, f"{schema}.{model}"),
        )
        needed = [each for each in self.definitions if each in (name, *self.definitions[name].builds_on)]
        for each in needed:
            query = decided_query(self.definitions[each], schema, relations)
            self.connection.execute(f"create or replace table {schema}.{each} as {query}")
        states = " union all ".join(f"from {schema}.{each}" for each in needed)
        self.connection.execute(f"create or replace view {schema}.segment_states as {states}")
        return replay(self.connection, schema, self.definitions[name], known, days)


def decided_query(definition: Segmentation, schema: str, relations: Mapping[str, str] | None = None) -> str:
    """What a definition decides, as a query.

    Args:
        definition: the definition.
        schema: where the segmentations that its rules ask for are.
        relations: tables in place of customer_features, rule_cut_points and score_cut_points.
    """
    imports = [f"{name} as (from {schema}.{name})" for name in definition.asked]
    imports += [f"{name} as (from main.{table})" for name, table in (relations or {}).items()]
    query = "\n".join(decided_lines(definition, sql.DUCKDB))
    return f"with {', '.join(imports)} {query}" if imports else query


def make_plan(
    project: Project,
    max_change: float = 0.2,
    history: bool = False,
    metas: Mapping[str, Mapping[str, Any]] | None = None,
) -> Plan:
    """Compare the rules of the working tree with those of the current release, on the features of the release.

    Args:
        project: the checkout and where its release and warehouse lie.
        max_change: the share that a segment may gain or lose unasked.
        history: replay both over all days whose features the warehouse keeps.
        metas: definitions in place of those of the checkout, as YAML has them, by name.

    Raises:
        RunStopped: there is no release, a rule does not hold to the language, or needs what the release has not.
    """
    day = published_date(project)
    if day is None:
        raise RunStopped("Nothing is released yet, so there is nothing to compare with. Run `make run` first.")
    with duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false")
        connection.execute(f"attach {file_text(project.serving / 'current' / 'tessera.duckdb')} as release (read_only)")
        connection.execute("use release")
        released = metas_of_release(connection)
        connection.execute("use memory")
        connection.execute("create schema before")
        connection.execute("create schema after")
        after = Rules(connection, "after", project, metas)
        try:
            before = Rules(connection, "before", project, released)
        except RuleError as error:
            raise RunStopped(
                f"The rules of the release of {day} cannot be read with the features of this checkout: {error} If the "
                "feature is to go, release rules that do without it first."
            ) from error
        _check_release(connection)
        _load_features(connection, (before, after))
        _load_cut_points(connection, project, day, (before, after))
        domains = read_features(ROOT).domains()
        names = list(dict.fromkeys([*after.definitions, *before.definitions]))
        changed = {name for name in names if _is_changed(before.definitions.get(name), after.definitions.get(name))}
        before.decide(changed & set(before.definitions))
        after.decide(changed & set(after.definitions))
        days = _load_history(connection, project, day, (before, after)) if history and changed else []
        return Plan(
            as_of_date=day,
            changes=[_change(connection, name, before, after, day, days) for name in names if name in changed],
            unchanged=[name for name in names if name not in changed],
            unreachable=unreachable_segments(after.definitions, domains),
            fixed=fixed_clauses(after.definitions, domains),
            max_change=max_change,
            at_the_edge=_at_the_edge(connection, after),
            history_first=_ends(connection)[0] if days else None,
            history_days=days,
        )


def _settings(definition: Segmentation) -> dict[str, str]:
    """What of a definition decides about the history, beside the rules."""
    immediate = [segment.name for segment in definition.segments if segment.is_immediate]
    return {
        "status": definition.status,
        "confirm_days": str(definition.confirm_days),
        "immediate": ", ".join(immediate) or "none",
        "cut points frozen on": str(definition.frozen_on or "no day"),
    }


def _is_changed(before: Segmentation | None, after: Segmentation | None) -> bool:
    if before is None or after is None:
        return True
    return before.rule_version != after.rule_version or _settings(before) != _settings(after)


def _check_release(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise RunStopped where the release was made by a version that did not keep the units of features."""
    query = "select count(*) from duckdb_tables() where database_name = 'release' and table_name = 'fct_feature_units'"
    if connection.execute(query).fetchone() == (0,):
        raise RunStopped(
            "The current release has no mart fct_feature_units: it was made by an older version. Build and release "
            "again (CHANGELOG.md), then plan."
        )


def _load_features(connection: duckdb.DuckDBPyConnection, sides: tuple[Rules, ...]) -> None:
    """The features of the release, in the types that rules are written for."""
    released = set(connection.table("release.marts.fct_customer_features").columns)
    for rules in sides:
        for definition in rules.definitions.values():
            for clause in definition.clauses:
                for column in clause.feature.columns:
                    if column not in released:
                        raise RuleError(
                            f"Segmentation {definition.name}, clause '{clause}': the release has no feature "
                            f"'{column}' yet. Release it first, with the rules as they were."
                        )
    columns = ", ".join(
        f"cast({name} as {column['data_type']}) as {name}"
        for name, column in read_features(ROOT).columns.items()
        if name in released and name not in ("customer_id", "as_of_date")
    )
    connection.execute(
        "create table customer_features as "
        f"select customer_id, as_of_date, {columns} from release.marts.fct_customer_features"
    )


def _load_cut_points(
    connection: duckdb.DuckDBPyConnection, project: Project, day: date, sides: tuple[Rules, ...]
) -> None:
    """The percentiles that the rules of both sides ask for, on the day and on those when they are frozen."""
    frozen = {
        frozen_on
        for rules in sides
        for definition in rules.definitions.values()
        if (frozen_on := definition.frozen_on) and frozen_on < day
    }
    source = "customer_features"
    if frozen:
        warehouse = _attach_warehouse(connection, project, "A rule has frozen cut points")
        kept = {
            kept_day
            for (kept_day,) in connection.execute(
                f"select as_of_date from {warehouse}.features.measured_days"
            ).fetchall()
        }
        if frozen - kept:
            missing = ", ".join(map(str, sorted(frozen - kept)))
            raise RunStopped(
                f"Cut points are frozen on {missing}, but the warehouse has no features of that day. Its days go from "
                f"{min(kept)} to {max(kept)} (vars: features_kept_days)."
            )
        days = ", ".join(f"date '{each}'" for each in sorted(frozen))
        connection.execute(
            "create table frozen_features as from customer_features union all by name "
            f"from {warehouse}.features.customer_features_history where as_of_date in ({days})"
        )
        source = "frozen_features"
    connection.execute(f"create table rule_cut_points as {_rule_cut_points(sides, source)}")
    if frozen:
        _keep_frozen(connection, f"{warehouse}.segmentations.rule_cut_points", days)
    connection.execute(f"create table score_cut_points as {_score_cut_points(source)}")


def _at_the_edge(connection: duckdb.DuckDBPyConnection, rules: Rules) -> list[EdgePercentile]:
    """The percentiles in rules that are the lowest or highest value of their feature on the day, or have none."""
    found = []
    for feature, percentile in sql.percentiles_of(rules.definitions.values()):
        value = sql.feature_sql(feature, sql.DUCKDB)
        cut_point, lowest, highest = connection.execute(
            f"select {sql.cut_point(value, percentile)}, cast(min({value}) as double), cast(max({value}) as double) "
            "from customer_features"
        ).fetchone()
        if cut_point is None or cut_point in (lowest, highest):
            where = "no values" if cut_point is None else "at the minimum" if cut_point == lowest else "at the maximum"
            found.append(EdgePercentile(feature.name, percentile, cut_point, where))
    return found


def _keep_frozen(connection: duckdb.DuckDBPyConnection, kept: str, days: str) -> None:
    """Take what the warehouse keeps of frozen days: those who left since then are in it, as in a run."""
    there = connection.table(kept).columns
    for column in set(connection.table("rule_cut_points").columns) & set(there) - {"as_of_date"}:
        connection.execute(
            f"update rule_cut_points set {column} = coalesce(kept.{column}, rule_cut_points.{column}) "
            f"from {kept} as kept where kept.as_of_date = rule_cut_points.as_of_date and kept.as_of_date in ({days})"
        )


def _rule_cut_points(sides: tuple[Rules, ...], source: str) -> str:
    asked = sql.percentiles_of(definition for rules in sides for definition in rules.definitions.values())
    columns = [
        f"{sql.cut_point(sql.feature_sql(feature, sql.DUCKDB), percentile)} as {feature.name}_p{percentile}"
        for feature, percentile in asked
    ]
    return f"select {', '.join([*columns, 'as_of_date'])} from {source} as customer_features group by as_of_date"


def _score_cut_points(source: str) -> str:
    columns = [
        f"{sql.cut_point(value, percentile)} as {name}_p{percentile}"
        for name, value in sql.SCORED.items()
        for percentile in sql.SCORE_PERCENTILES
    ]
    return (
        f"select {', '.join([*columns, 'as_of_date'])} from {source} as customer_features "
        "where orders_365d > 0 group by as_of_date"
    )


def _attach_warehouse(connection: duckdb.DuckDBPyConnection, project: Project, why: str) -> str:
    """Attach the warehouse for reading, under the name of its file, which its views know it by; returns the name."""
    name = catalog_name(project.warehouse)
    try:
        connection.execute(f"attach if not exists {file_text(project.warehouse)} as {name} (read_only)")
    except duckdb.Error as error:
        raise RunStopped(
            f"{why}, for which the warehouse {project.warehouse} has to be read, but it cannot be now; a run may be "
            f"writing it. Try again when it has ended. DuckDB says: {error}"
        ) from error
    return name


def _load_history(
    connection: duckdb.DuckDBPyConnection, project: Project, day: date, sides: tuple[Rules, ...]
) -> list[date]:
    """Open the features of all days kept; returns the days whose sizes are told: month's ends, and the last day."""
    warehouse = _attach_warehouse(connection, project, "--history replays all days")
    connection.execute(
        f"create table all_features as from {warehouse}.features.customer_features_history where as_of_date <= '{day}'"
    )
    connection.execute(f"create table all_rule_cut_points as {_rule_cut_points(sides, 'all_features')}")
    connection.execute(f"create or replace table score_cut_points as {_score_cut_points('all_features')}")
    rows = connection.execute(
        "select max(as_of_date) from all_features group by date_trunc('month', as_of_date) order by 1"
    ).fetchall()
    return [month_end for (month_end,) in rows]


def _change(
    connection: duckdb.DuckDBPyConnection, name: str, before: Rules, after: Rules, day: date, days: list[date]
) -> Change:
    old, new = before.definitions.get(name), after.definitions.get(name)
    if old is None or new is None:
        return _arrival_or_departure(connection, name, before, after)
    settings = [
        f"{key}: {_settings(old)[key]} -> {value}"
        for key, value in _settings(new).items()
        if _settings(old)[key] != value
    ]
    is_same = old.rule_version == new.rule_version
    found = None if is_same else difference(before.definitions, after.definitions, name, read_features(ROOT).domains())
    moves = [
        Move(*row)
        for row in connection.execute(
            f"""
            select
                before.segment,
                after.segment,
                count(*),
                cast(sum(round(customer_features.net_sales_365d * 100)) / 100 as double)
            from before.{name} as before
            inner join after.{name} as after using (customer_id)
            inner join customer_features using (customer_id)
            where before.segment <> after.segment
            group by before.segment, after.segment
            order by count(*) desc, before.segment, after.segment
            """
        ).fetchall()
    ]
    most = connection.execute(
        f"""
        select before.customer_id, before.segment, after.segment, customer_features.net_sales_365d
        from before.{name} as before
        inner join after.{name} as after using (customer_id)
        inner join customer_features using (customer_id)
        where before.segment <> after.segment
        order by customer_features.net_sales_365d desc, before.customer_id
        limit {SHOWN_CUSTOMERS}
        """
    ).fetchall()
    (waiting,) = connection.execute(
        "select count(*) from release.marts.customer_segment_explanations "
        "where segmentation = $name and segment <> rule_segment",
        {"name": name},
    ).fetchone()
    counted = {
        segment: (customers, sales)
        for segment, customers, sales in connection.execute(
            "select segment, count(*), cast(sum(round(net_sales_365d * 100)) / 100 as double) "
            "from release.marts.customer_segments inner join customer_features using (customer_id) "
            "where segmentation = $name group by segment",
            {"name": name},
        ).fetchall()
    }
    sizes = _sizes(connection, name, before, after)
    if waiting and new.confirm_days == 1:
        # From the next run on everybody counts where the rules say: that is what readers will see change.
        sizes = [
            replace(size, before=counted[size.segment][0], net_sales_before=counted[size.segment][1])
            if size.segment in counted
            else replace(size, before=None if size.before is None else 0, net_sales_before=0.0)
            for size in sizes
        ]
    movers = []
    if most:
        customers = f"select unnest({[row[0] for row in most]!r}) as customer_id"
        reasons = [rules.explain(name, day, customers) for rules in (before, after)]
        movers = [Mover(*row, reasons[0][row[0]], reasons[1][row[0]]) for row in most]
    return Change(
        name=name,
        before=old,
        after=new,
        settings=settings,
        sizes=sizes,
        moves=moves,
        movers=movers,
        waiting=waiting,
        counting={segment: customers for segment, (customers, _) in counted.items()},
        equivalent=None if is_same else found is None,
        difference=found,
        histories=(
            (before.replay(name, *_ends(connection), days), after.replay(name, *_ends(connection), days))
            if days
            else None
        ),
    )


def _ends(connection: duckdb.DuckDBPyConnection) -> tuple[date, date]:
    return connection.execute("select min(as_of_date), max(as_of_date) from all_features").fetchone()


def _arrival_or_departure(connection: duckdb.DuckDBPyConnection, name: str, before: Rules, after: Rules) -> Change:
    return Change(
        name=name,
        before=before.definitions.get(name),
        after=after.definitions.get(name),
        settings=[],
        sizes=_sizes(connection, name, before, after),
    )


def _sizes(connection: duckdb.DuckDBPyConnection, name: str, before: Rules, after: Rules) -> list[Size]:
    counted = []
    for rules in (before, after):
        if name not in rules.definitions:
            counted.append({})
            continue
        rows = connection.execute(
            f"""
            select
                decided.segment,
                count(*),
                cast(sum(round(customer_features.net_sales_365d * 100)) / 100 as double)
            from {rules.schema}.{name} as decided
            inner join customer_features using (customer_id)
            group by decided.segment
            """
        ).fetchall()
        counts = {segment: (customers, sales) for segment, customers, sales in rows}
        segments = [segment.name for segment in rules.definitions[name].segments]
        counted.append({segment: counts.get(segment, (0, 0.0)) for segment in segments})
    old, new = counted
    return [
        Size(
            segment,
            old.get(segment, (None, 0.0))[0],
            new.get(segment, (None, 0.0))[0],
            old.get(segment, (None, 0.0))[1],
            new.get(segment, (None, 0.0))[1],
        )
        for segment in dict.fromkeys([*new, *old])
    ]

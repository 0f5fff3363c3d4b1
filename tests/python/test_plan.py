"""flows.explain and flows.plan on a published shop: they tell what the marts tell, and what would become of them."""

import copy
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from conftest import PUBLISHED, Shop
from shop import HISTORY_START

from flows.explain import explanation_of
from flows.rules import explain as explaining
from flows.rules.definitions import metas_of_day, parse
from flows.rules.plan import Plan, make_plan
from flows.rules.plan_text import as_markdown, as_text
from flows.steps.errors import RunStopped
from flows.steps.project import ROOT, Project
from macros.python.rules.definitions import read_files


@pytest.fixture(scope="module")
def project(published_shop: Shop) -> Project:
    return Project(
        overrides=yaml.safe_load(published_shop.vars),
        warehouse=published_shop.warehouse,
        serving=published_shop.serving,
    )


@pytest.fixture
def metas() -> dict[str, Any]:
    """The definitions of the checkout, to be changed."""
    return {name: copy.deepcopy(dict(meta)) for name, meta in read_files(ROOT)[0].items()}


def marts(project: Project) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(project.serving / "current" / "tessera.duckdb"), read_only=True)


# --- Explanations --------------------------------------------------------------


def test_what_is_decoded_from_the_warehouse_is_what_the_mart_says(project: Project) -> None:
    with marts(project) as connection:
        columns = f"customer_id, {explaining.COLUMNS}, explanation"
        query = f"select {columns} from marts.customer_segment_explanations order by customer_id, segmentation"
        told = connection.sql(query).fetchall()
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        definitions = parse(metas_of_day(connection, PUBLISHED))
        relations = {
            "customer_features": f"select * from features.customer_features where as_of_date = date '{PUBLISHED}'",
            "segments": "select customer_id, segmentation, segment from history.recent_spells where is_current",
            "rule_cut_points": "from segmentations.rule_cut_points",
            "score_cut_points": "from features.score_cut_points",
            "feature_units": "from features.feature_units",
        }
        rows = explaining.explained(connection, definitions, PUBLISHED, relations)
        names = columns.split(", ")
        decoded = [tuple(row[name] for name in names) for row in rows]
    assert len(told) > 5000
    assert any(row["segment"] != row["rule_segment"] for row in rows), "nobody waits for a confirmation"
    assert decoded == told


def test_an_explanation_of_a_past_day_says_why_and_since_when(project: Project) -> None:
    yesterday = PUBLISHED - timedelta(days=1)
    with marts(project) as connection:
        customer, segment, since = connection.execute(
            "select customer_id, segment, valid_from from marts.fct_segment_spells "
            "where segmentation = 'seg_lifecycle' and valid_to = $day and valid_from > $first "
            "order by customer_id limit 1",
            {"day": PUBLISHED, "first": HISTORY_START},
        ).fetchone()
    text = explanation_of(str(customer), yesterday, project)
    assert text.startswith(f"Customer {customer} on {yesterday}")
    assert f"seg_lifecycle: {segment}" in text
    assert f"since    {since}, " in text
    assert f"until    {PUBLISHED}, " in text
    assert "nearest  " in text


@pytest.mark.parametrize(
    ("customer", "days", "message"),
    [
        ("999999", 0, "There is no customer 999999"),
        ("C-17", 0, "Customer IDs are integers; got 'C-17'"),
        ("17", 365, f"The history goes from {HISTORY_START} to {PUBLISHED}"),
        ("17", -1, f"The history goes from {HISTORY_START} to {PUBLISHED}"),
    ],
)
def test_explanation_that_cannot_be_given(project: Project, customer: str, days: int, message: str) -> None:
    with pytest.raises(RunStopped, match=message):
        explaining.explain(project, customer, PUBLISHED - timedelta(days=days))


def test_past_days_cannot_be_explained_while_a_run_writes_but_the_release_can(shop: Shop) -> None:
    own = Project(overrides=yaml.safe_load(shop.vars), warehouse=shop.warehouse, serving=shop.serving)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import duckdb; c = duckdb.connect({str(shop.warehouse)!r}); print('held', flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        assert explaining.explain(own, "17")[0] == PUBLISHED
        with pytest.raises(RunStopped, match="a run may be writing it"):
            explaining.explain(own, "17", PUBLISHED - timedelta(days=1))
    finally:
        holder.kill()
        holder.wait()


def test_every_move_is_explained_by_clauses_on_both_sides(project: Project) -> None:
    """A move without a clause that newly holds once said only that the rule before no longer holds, not by what."""
    with marts(project) as connection:
        moves = connection.execute(
            "select before.exit_reason, spell.entry_reason, spell.previous_segment "
            "from marts.fct_segment_spells as spell inner join marts.fct_segment_spells as before "
            "on before.customer_id = spell.customer_id and before.segmentation = spell.segmentation "
            "and before.valid_to = spell.valid_from"
        ).fetchall()
    fallen = [move for move in moves if move[1].startswith("the rule of ")]
    assert len(fallen) > 10
    for exit_reason, entry_reason, previous_segment in fallen:
        assert exit_reason.startswith("no longer holds: ")
        assert entry_reason == f"the rule of {previous_segment} {exit_reason}"


# --- Plans ---------------------------------------------------------------------


def loyal_rule(metas: dict[str, Any]) -> dict[str, Any]:
    (segment,) = (each for each in metas["seg_lifecycle"]["segments"] if each["name"] == "loyal")
    return segment


def test_rules_that_are_released_already_change_nothing(project: Project, metas: dict[str, Any]) -> None:
    plan = make_plan(project, metas=metas)
    assert (plan.changes, plan.unreachable, plan.fixed) == ([], [], [])
    assert plan.unchanged == list(metas)
    assert plan.is_fine
    assert "No rule and no setting differs" in as_text(plan)


def changed_plan(project: Project, metas: dict[str, Any], **settings: Any) -> Plan:
    loyal_rule(metas)["rule"] = "active_days_90d >= 20"
    return make_plan(project, metas=metas, **settings)


def test_a_plan_counts_who_would_move_and_says_why(project: Project, metas: dict[str, Any]) -> None:
    plan = changed_plan(project, metas)
    (change,) = plan.changes
    assert change.name == "seg_lifecycle"
    with marts(project) as connection:
        expected = connection.sql(
            "select count(*), sum(net_sales_365d) from marts.customer_segments as now "
            "inner join marts.fct_customer_features using (customer_id) "
            "where segmentation = 'seg_lifecycle' and rule_segment = 'loyal' and active_days_90d < 20"
        ).fetchone()
    assert expected[0] > 0
    assert sum(move.customers for move in change.moves) == expected[0]
    assert sum(round(move.net_sales * 100) for move in change.moves) == round(expected[1] * 100)
    sizes = {size.segment: size for size in change.sizes}
    assert sizes["loyal"].after - sizes["loyal"].before == -expected[0]
    assert sizes["active"].after - sizes["active"].before == expected[0]
    assert sum(size.before for size in change.sizes) == sum(size.after for size in change.sizes)

    assert change.equivalent is False
    assert (change.difference.before, change.difference.after) == ("loyal", "active")
    assert len(change.movers) == 10
    assert [mover.net_sales for mover in change.movers] == sorted((m.net_sales for m in change.movers), reverse=True)
    for mover in change.movers:
        assert mover.before["deciding_clauses"] == "active_days_90d >= 13"
        assert "loyal (not active_days_90d >= 20)" in mover.after["missed_rules"]
    assert change.owners == ["crm-lead@example.com"]
    assert {name for name, _ in plan.too_large} == {"seg_lifecycle"}
    assert not plan.is_fine

    text, markdown = as_text(plan), as_markdown(plan)
    assert "after:  no rule holds; missed loyal (not active_days_90d >= 20)" in text
    assert "LARGE seg_lifecycle.loyal" in text
    assert f"| loyal | active | {expected[0]:,} |" in markdown


def test_a_reformatted_rule_is_proved_to_mean_the_same(project: Project, metas: dict[str, Any]) -> None:
    loyal_rule(metas)["rule"] = {"not": {"any": ["active_days_90d < 13"]}}
    plan = make_plan(project, metas=metas)
    (change,) = plan.changes
    assert change.equivalent
    assert not change.moves
    assert "proved to mean the same" in as_text(plan)
    assert plan.is_fine


def test_a_segment_that_nobody_can_reach_is_named_with_what_covers_it(project: Project, metas: dict[str, Any]) -> None:
    segments = metas["seg_lifecycle"]["segments"]
    shadowed = {"name": "gone", "description": "-", "rule": "days_since_last_order > 100"}
    metas["seg_lifecycle"]["segments"] = [*segments[:2], shadowed, *segments[2:]]
    plan = make_plan(project, metas=metas)
    assert [(each.segment, each.covered_by) for each in plan.unreachable] == [("gone", ("churned",))]
    assert not plan.is_fine
    assert "UNREACHABLE seg_lifecycle.gone: earlier rules take everybody: churned." in as_text(plan)


def test_a_replay_of_the_released_rules_is_the_published_history(project: Project, metas: dict[str, Any]) -> None:
    plan = changed_plan(project, metas, history=True)
    before, after = plan.changes[0].histories
    with marts(project) as connection:
        moves, flapping = connection.sql(
            "select moves, flapping_rate from marts.dim_segmentations where segmentation = 'seg_lifecycle'"
        ).fetchone()
        sizes = dict(
            connection.sql(
                "select segment, customers from marts.fct_segment_daily where segmentation = 'seg_lifecycle' "
                f"and as_of_date = '{PUBLISHED}' and customers > 0"
            ).fetchall()
        )
    assert plan.history_days == [PUBLISHED]
    assert before.moves == moves > 0
    assert before.flapping_rate == flapping
    assert before.sizes[PUBLISHED] == sizes
    assert after.sizes[PUBLISHED] != sizes
    assert "moves reversed within 30 days" in as_text(plan)


def test_settings_alone_change_the_history_and_not_the_day(project: Project, metas: dict[str, Any]) -> None:
    metas["seg_value"]["confirm_days"] = 1
    metas["seg_value"]["segments"][0]["immediate"] = True
    (change,) = make_plan(project, metas=metas, history=True).changes
    assert change.settings == ["confirm_days: 3 -> 1", "immediate: none -> champions"]
    assert change.moves == []
    before, after = change.histories
    assert after.moves > before.moves


def test_the_plan_says_who_waits_and_what_readers_see(project: Project, metas: dict[str, Any]) -> None:
    with marts(project) as connection:
        rows = connection.execute(
            "select segment, rule_segment, count(*) from marts.customer_segment_explanations "
            "where segmentation = 'seg_value' group by all"
        ).fetchall()
    counting = Counter({segment: 0 for segment, _, _ in rows})
    by_rules = Counter({segment: 0 for _, segment, _ in rows})
    for segment, rule_segment, customers in rows:
        counting[segment] += customers
        by_rules[rule_segment] += customers
    waiting = sum(customers for segment, rule_segment, customers in rows if segment != rule_segment)
    assert waiting > 0

    # Another rule: before and after are what the rules decide, beside what counts.
    champions = metas["seg_value"]["segments"][0]
    rule, champions["rule"] = champions["rule"], {"all": ["recency_score = 5", "frequency_score = 5"]}
    plan = make_plan(project, metas=metas)
    (change,) = plan.changes
    assert (change.waiting, change.counting) == (waiting, dict(counting))
    assert {size.segment: size.before for size in change.sizes if size.before} == by_rules
    line = next(line for line in as_text(plan).splitlines() if line.startswith("champions "))
    assert line.split()[1:3] == [f"{counting['champions']:,}", f"{by_rules['champions']:,}"]
    assert f"{waiting:,} customers count elsewhere today than the released rules say" in as_markdown(plan)

    # No confirmation any more: everybody counts at once where the rules say, and that is a large change.
    champions["rule"], metas["seg_value"]["confirm_days"] = rule, 1
    plan = make_plan(project, max_change=0.01, metas=metas)
    (change,) = plan.changes
    assert change.moves == []
    assert {size.segment: size.before for size in change.sizes if size.before} == counting
    assert {size.segment: size.after for size in change.sizes if size.after} == by_rules
    assert not plan.is_fine
    assert "From the next run on they would count where the rules say" in as_markdown(plan)


def test_a_release_of_an_older_version_is_told_from_a_new_one(
    shop: Shop, project: Project, metas: dict[str, Any]
) -> None:
    release = shop.serving / "current" / "tessera.duckdb"
    with duckdb.connect(str(release)) as connection:
        connection.execute("drop table marts.fct_feature_units")
    older = replace(project, serving=shop.serving)
    loyal_rule(metas)["rule"] = "active_days_90d >= 1"
    with pytest.raises(RunStopped, match="has no mart fct_feature_units: it was made by an older version"):
        make_plan(older, metas=metas)


def test_new_and_dropped_segmentations_have_owners_to_ask(project: Project, metas: dict[str, Any]) -> None:
    metas["seg_new"] = metas.pop("seg_deals") | {"owner": "new@example.com"}
    changes = {change.name: change for change in make_plan(project, metas=metas).changes}
    assert changes["seg_new"].owners == ["new@example.com"]
    assert changes["seg_deals"].owners == ["pricing@example.com"]
    assert "Ask: new@example.com." in as_text(make_plan(project, metas=metas))


def test_cut_points_frozen_on_a_day_of_the_history_are_read_from_it(project: Project, metas: dict[str, Any]) -> None:
    """Nobody moves where the frozen day is the day itself."""
    for frozen_on, moves in ((str(PUBLISHED), False), ("2024-04-01", True)):
        metas["seg_deals"]["cut_points"] = {"frozen_on": frozen_on}
        (change,) = make_plan(project, metas=metas).changes
        assert bool(change.moves) is moves
    metas["seg_deals"]["cut_points"] = {"frozen_on": "2020-01-01"}
    with pytest.raises(RunStopped, match="before the history begins"):
        make_plan(project, metas=metas)


def test_frozen_cut_points_are_those_that_are_kept_whoever_left_since(
    project: Project, metas: dict[str, Any], tmp_path: Path
) -> None:
    """They were once computed of those who are customers today, and the plan told other moves than a run would make."""
    metas["seg_deals"]["cut_points"] = {"frozen_on": "2024-04-01"}
    (before,) = make_plan(project, metas=metas).changes
    copied = replace(project, warehouse=tmp_path / project.warehouse.name)
    shutil.copyfile(project.warehouse, copied.warehouse)
    with duckdb.connect(str(copied.warehouse)) as connection:
        connection.execute("delete from features.measure_changes where customer_id % 3 = 0")
    (after,) = make_plan(copied, metas=metas).changes
    assert after.moves == before.moves


def test_a9_a_percentile_at_the_edge_of_its_feature_is_told(project: Project, metas: dict[str, Any]) -> None:
    assert make_plan(project, metas=metas).at_the_edge == []
    segments = metas["seg_deals"]["segments"]
    # Half of the customers have no coupon, so the lower fifth is everybody who has none.
    segments[1]["rule"] = "coupon_share_365d >= p20"
    plan = make_plan(project, metas=metas)
    assert [(edge.feature, edge.percentile, edge.position) for edge in plan.at_the_edge] == [
        ("coupon_share_365d", 20, "at the minimum")
    ]
    assert "EDGE p20 of coupon_share_365d is 0, the feature's minimum" in as_text(plan)


def test_a_feature_that_the_release_has_not_is_named(project: Project, metas: dict[str, Any]) -> None:
    loyal_rule(metas)["rule"] = "active_days_91d >= 13"
    with pytest.raises(RunStopped, match="seg_lifecycle, segment loyal, clause 'active_days_91d >= 13'"):
        make_plan(project, metas=metas)


def test_the_command_ends_well_where_nothing_changes(published_shop: Shop) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.plan", "--markdown", "--vars", published_shop.vars],
        cwd=ROOT,
        env=os.environ | published_shop.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"## Rules of the working tree against the release of {PUBLISHED}")

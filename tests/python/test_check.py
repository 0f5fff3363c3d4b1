"""What flows.check, the plan and a run refuse of a checkout before anything is touched, and how they say so."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from shop import edited

from flows import check
from flows.rules.definitions import parse, share_limits
from flows.rules.macros import RuleError, macros, segmentations_of
from flows.rules.undelivered import undelivered_summary
from flows.steps.project import ROOT, Project


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of its own, as far as rules are concerned."""
    for name in ("models", "macros"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dbt_project.yml", tmp_path)
    return tmp_path


NAMES = "segmentations: [seg_lifecycle, seg_value, seg_household, seg_deals, seg_value_by_spend]"
SEGMENTATION = """models:
  - name: seg_new
    config: {meta: {segmentation: {owner: a@example.com, segments: [
      {name: a, description: '-', rule: orders_30d > 1}, {name: b, description: '-'}]}}}
"""


def test_a9_rules_that_rest_on_what_no_source_delivers_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "customers.csv").write_text("customer_id,age_band\n1,65+\n")
    (tmp_path / "transactions.csv").write_text("customer_id,order_id,ordered_at,net_amount\n1,a,2024-01-01,1\n")
    variables = f"{{sources: [files], files_folder: '{tmp_path}'}}"
    monkeypatch.setattr("sys.argv", ["check", "--vars", variables])
    assert check.main() == 0
    told = capsys.readouterr().out
    assert (
        "UNDELIVERED seg_deals: 'discount_share_365d >= p80' needs discount_amount in transactions, which no source "
        "delivers, so discount_share_365d is null for everybody." in told
    )
    assert "needs household_composition in customers" in told
    assert "age_band" not in told

    # A run says it in a line per segmentation.
    project = Project.with_vars(variables)
    told = list(undelivered_summary(parse(variables=project.overrides)[0], project))
    assert [each.partition(":")[0] for each in told] == ["seg_household", "seg_deals"]
    assert "4 clauses need what no source delivers (responses.response_date, transactions.discount_amount)" in told[1]

    # One source that delivers it is enough, and of a folder without files nothing is known.
    (tmp_path / "transactions.csv").write_text("customer_id,order_id,ordered_at,net_amount,discount_amount\n")
    check.main()
    assert "discount_amount" not in capsys.readouterr().out
    (tmp_path / "transactions.csv").unlink()
    check.main()
    assert "UNDELIVERED" not in capsys.readouterr().out


def test_the_projects_own_checkout_is_fine(checkout: Path) -> None:
    found, _ = parse(root=checkout)
    assert len(found) == 5


@pytest.mark.parametrize(
    ("file", "old", "new", "error"),
    [
        (
            "models/segmentations/seg_deals.yml",
            "status: active",
            "status: retired",
            "Segmentation seg_deals: its status is retired, so its history is not kept. Take the name out of vars",
        ),
        ("dbt_project.yml", "seg_deals, ", "", "Segmentation seg_deals: its history is not kept. Add the name to vars"),
        ("dbt_project.yml", "seg_deals, ", "seg_deals, seg_deals, ", "Segmentation seg_deals: vars: segmentations in"),
        (
            "models/segmentations/seg_value.yml",
            "share: {maximum: 0.5,",
            "share: {maximum: 5,",
            "Segmentation seg_value, segment champions: share limits the share of the customers, `share: {minimum: 0,",
        ),
        ("dbt_project.yml", NAMES, "segmentations: null", "vars: segmentations in dbt_project.yml is a list of names"),
    ],
)
def test_checkout_that_is_wrong(checkout: Path, file: str, old: str, new: str, error: str) -> None:
    edited(checkout / file, old, new)
    with pytest.raises(RuleError) as raised:
        parse(root=checkout)
    assert error in str(raised.value)


CONTRACT = "models/marts/customers/_customers.yml"
DEALS = """      - name: seg_deals
        description: "The current segment in seg_deals."
        data_type: varchar
"""


def test_segmentation_that_is_retired_but_has_a_column(checkout: Path) -> None:
    """dbt once found it after the history was written: seg_deals, missing in definition, in a model of the marts."""
    edited(checkout / "models/segmentations/seg_deals.yml", "status: active", "status: retired")
    edited(checkout / "dbt_project.yml", "seg_deals, ", "")
    with pytest.raises(RuleError) as raised:
        parse(root=checkout)
    assert str(raised.value) == (
        "Segmentation seg_deals: its status is retired, but it has a column in the contract of dim_customers in "
        f"{CONTRACT}, where active ones have one. Remove the column seg_deals there, and tell its readers."
    )
    edited(checkout / CONTRACT, DEALS, "")
    assert len(parse(root=checkout)[0]) == 4


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (
            DEALS,
            "",
            "Segmentation seg_deals: it is active, but has no column in the contract of dim_customers in "
            f"{CONTRACT}. Add a column seg_deals of data_type varchar there.",
        ),
        (
            DEALS,
            DEALS + DEALS.replace("seg_deals", "seg_value_by_spend"),
            "Segmentation seg_value_by_spend: its status is challenger, but it has a column",
        ),
        (
            DEALS,
            DEALS + DEALS.replace("seg_deals", "seg_gone"),
            "Segmentation seg_gone: there is none of this name, but",
        ),
    ],
)
def test_columns_of_dim_customers_that_are_not_those_of_the_active_segmentations(
    checkout: Path, old: str, new: str, error: str
) -> None:
    edited(checkout / CONTRACT, old, new)
    with pytest.raises(RuleError) as raised:
        parse(root=checkout)
    assert error in str(raised.value)


def test_segmentation_that_dbt_would_not_build_after_the_one_it_asks(checkout: Path) -> None:
    folder = checkout / "models" / "segmentations"
    (folder / "seg_new.yml").write_text(SEGMENTATION.replace("orders_30d > 1", "{in_segment: seg_value.champions}"))
    edited(checkout / "dbt_project.yml", "seg_deals, ", "seg_deals, seg_new, ")
    edited(checkout / CONTRACT, DEALS, DEALS + DEALS.replace("seg_deals", "seg_new"))
    with pytest.raises(RuleError, match=r"Segmentation seg_new: there is no model models/segmentations/seg_new.sql"):
        parse(root=checkout)
    (folder / "seg_new.sql").write_text("{{ segmentation() }}\n")
    with pytest.raises(RuleError, match=r"Write \{\{ segmentation\(builds_on=\['seg_value'\]\) \}\} in models"):
        parse(root=checkout)
    (folder / "seg_new.sql").write_text("{{ segmentation(builds_on=['seg_value']) }}\n")
    assert "seg_new" in [definition["name"] for definition in parse(root=checkout)[0]]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (
            SEGMENTATION.replace("rule: orders_30d > 1", "rule: {all: [orders_30d > 1], all: [orders_90d > 1]}"),
            'found duplicate key "all"',
        ),
        (SEGMENTATION.replace("name: seg_new", "description: x"), "a model with a segmentation has no name"),
        ("models: [", "is not YAML"),
        (b"models: \xff\xfe", "is not YAML"),
    ],
)
def test_file_that_is_wrong_is_named(checkout: Path, content: str | bytes, error: str) -> None:
    file = checkout / "models" / "segmentations" / "seg_new.yml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RuleError) as raised:
        segmentations_of(checkout)
    assert str(raised.value).startswith("models/segmentations/seg_new.yml")
    assert error in str(raised.value)


@pytest.mark.parametrize("content", ["", "models:", "- models", "models: [1]", "models: [{name: x, config: }]", "x: 1"])
def test_file_without_segmentations_is_none_of_our_business(checkout: Path, content: str) -> None:
    (checkout / "models" / "segmentations" / "other.yml").write_text(content)
    assert len(segmentations_of(checkout)) == 5


def test_check_says_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    kept_out = shutil.ignore_patterns(".venv", ".git", "warehouse", "serving", "target", "logs", "build", "__pycache__")
    shutil.copytree(ROOT, tmp_path / "project", ignore=kept_out)
    rules = tmp_path / "project" / "models" / "segmentations" / "seg_lifecycle.yml"
    edited(rules, "rule: days_since_last_order > 90", "rule: {all: 5}")
    done = subprocess.run(
        [sys.executable, "-m", "flows.check"],
        cwd=tmp_path / "project",
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "Stopped: Segmentation seg_lifecycle, segment churned: 'all' takes a list of at least one clause.\n"
    )


def test_check_takes_vars_and_no_argument_that_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It once read nothing of its command line, and told of the segmentations of dbt_project.yml."""

    def checked(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["flows.check", *arguments])
        return check.main()

    assert checked() == 0
    assert "5 segmentations" in capsys.readouterr().out
    assert checked("--vars", "{segmentations: [seg_value]}") == 1
    assert "its history is not kept. Add the name to vars: segmentations" in capsys.readouterr().err
    assert checked("--vars", "{segmentation: [seg_value]}") == 1
    assert "there is no variable 'segmentation'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        checked("--root", "elsewhere")


def test_b8_all_mistakes_of_all_files_are_told_at_once(checkout: Path) -> None:
    """One mistake a run was told, of three in three files."""
    folder = checkout / "models" / "segmentations"
    edited(folder / "seg_lifecycle.yml", "rule: days_since_last_order > 90", "rule: days_since_last_ordr > 90")
    edited(folder / "seg_lifecycle.yml", "- name: churned", "- labl: Gone\n              name: Churned")
    edited(folder / "seg_deals.yml", "confirm_days: 7", "confirm_days: x")
    edited(folder / "seg_value.yml", "confirm_days: 3", "confirm_days: 0\n          ownr: x")
    with pytest.raises(RuleError) as raised:
        parse(root=checkout)
    assert str(raised.value).splitlines() == [
        "Segmentation seg_lifecycle, segment Churned: 'labl' means nothing here. Did you mean 'label'?",
        "Segmentation seg_lifecycle, segment Churned: a segment's name is lower case letters, digits and _, beginning "
        "with a letter.",
        "Segmentation seg_lifecycle, segment Churned, clause 'days_since_last_ordr > 90': there is no feature "
        "'days_since_last_ordr'. Did you mean 'days_since_last_order'?",
        "Segmentation seg_value: 'ownr' means nothing here. Did you mean 'owner'?",
        "Segmentation seg_value: confirm_days is '0'; it is a whole number of days, from 1 to 366.",
        "Segmentation seg_deals: confirm_days is 'x'; it is a whole number of days, from 1 to 366.",
    ]


def test_b8_clauses_of_one_rule_are_all_told(checkout: Path) -> None:
    rule = "rule: {any: [orders_30 > 1, {all: 5}, {not: {some: [orders_30d > x]}}, orders_30d > x]}"
    edited(checkout / "models/segmentations/seg_lifecycle.yml", "rule: days_since_last_order > 90", rule)
    with pytest.raises(RuleError) as raised:
        parse(root=checkout)
    told = [line.removeprefix("Segmentation seg_lifecycle, segment churned") for line in str(raised.value).splitlines()]
    beginnings = (", clause 'orders_30 > 1': there", ": 'all' takes", ": a rule is a", ", clause 'orders_30d > x': ")
    assert len(told) == len(beginnings)
    assert all(line.startswith(beginning) for line, beginning in zip(told, beginnings, strict=True)), told


def test_b8_files_that_are_no_yaml_are_all_told(checkout: Path) -> None:
    for name in ("seg_one", "seg_two"):
        (checkout / "models" / "segmentations" / f"{name}.yml").write_text("models: [")
    (checkout / "models" / "segmentations" / "seg_three.yml").write_text(SEGMENTATION.replace("seg_new", "seg_value"))
    with pytest.raises(RuleError) as raised:
        segmentations_of(checkout)
    for told in ("seg_one.yml is not YAML", "seg_two.yml is not YAML", "Segmentation seg_value: it is defined twice"):
        assert told in str(raised.value)


@pytest.mark.parametrize(
    "rule",
    [
        "&a {all: [*a]}",
        "{in_segment: seg_lifecycle.loyal}",
        "{all: {}}",
        "5",
        "{any: [5, null, [], {}, {all: [], any: []}]}",
    ],
)
def test_b8_rule_that_is_no_rule_ends_soon_and_says_so(checkout: Path, rule: str) -> None:
    edited(checkout / "models/segmentations/seg_lifecycle.yml", "rule: days_since_last_order > 90", f"rule: {rule}")
    with pytest.raises(RuleError, match="Segmentation seg_lifecycle") as raised:
        parse(root=checkout)
    assert len(str(raised.value).splitlines()) <= 5


def test_b8_settings_and_rules_are_told_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["flows.check", "--vars", "{segmentations: [seg_value], lapsed_days: -5}"])
    assert check.main() == 1
    told = capsys.readouterr().err
    assert "lapsed_days is -5" in told
    assert "Segmentation seg_deals: its history is not kept" in told
    assert "Segmentation seg_household: its history is not kept" in told


def test_b2_limits_of_shares_go_with_the_segment_that_they_are_about(checkout: Path) -> None:
    """The demo's limit of seg_value/champions once stopped whoever called their own segments otherwise."""
    assert share_limits(parse(root=checkout)[0])["seg_value/champions"].maximum == 0.5
    own = "share: {maximum: 0.5, reason: x}"
    edited(
        checkout / "models/segmentations/seg_deals.yml", "- name: coupon_users", f"- {own}\n              name: mine"
    )
    (checkout / "models/segmentations/seg_value.yml").write_text(
        SEGMENTATION.replace("seg_new", "seg_value").replace("orders_30d > 1", "net_sales_365d >= p80")
    )
    assert list(share_limits(parse(root=checkout)[0])) == ["seg_deals/mine"]


def test_b2_cells_are_tested_where_the_rules_are_about_cells() -> None:
    """A seg_value of one's own, with money in it, once failed on the demo's 25 cells."""
    connection = duckdb.connect()
    connection.execute(
        "create table customer_features as select date '2024-04-09' as as_of_date, range as customer_id, "
        "1 + range % 5 as recency_score, 1 + range // 5 as frequency_score from range(25)"
    )
    columns = ["recency_score", "frequency_score"]

    def broken(rule: str, segment: str) -> list[tuple]:
        meta = {
            "owner": "crm@example.com",
            "segments": [
                {"name": "a", "description": "-", "rule": rule},
                {"name": "b", "description": "-", "rule": "frequency_score > 2"},
                {"name": "nobodys", "description": "-"},
            ],
        }
        known = macros(models={"seg_value": meta}, variables={"first_date": "2024-04-09", "last_date": "2024-04-09"})
        connection.execute(
            f"create or replace table seg_value as select *, {segment} as segment from customer_features "
            "union all select *, 'a' from customer_features where customer_id = 7"
        )
        return connection.execute(known.broken_cells("seg_value", "seg_value", columns, "nobodys")).fetchall()

    assert broken("recency_score = 5", "'a'") == []
    assert broken("recency_score = 5", "'b'") == [(3, 2, 2, 0)]
    assert len(broken("recency_score = 5", "'nobodys'")) == 25
    assert broken("net_sales_365d > 5", "'nobodys'") == []

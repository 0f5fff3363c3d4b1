"""What flows.check, the plan and a run refuse of a checkout before anything is touched, and how they say so."""

import sys
from pathlib import Path

import duckdb
import pytest
from checkouts import SEGMENTATION, called, copy_project, copy_rules
from shop import edited

from flows import check
from flows.compile import compile_rules
from flows.rules.definitions import RuleError, parse, share_limits
from flows.rules.macros import macros
from flows.rules.undelivered import undelivered_summary
from flows.steps.project import Project
from macros.python.rules.definitions import FOLDER


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copy_rules(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_project(tmp_path)


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
    told = list(undelivered_summary(parse(), project))
    assert [each.partition(":")[0] for each in told] == ["seg_deals", "seg_household"]
    assert "4 clauses need what no source delivers (responses.response_date, transactions.discount_amount)" in told[0]

    # One source that delivers it is enough, and of a folder without files nothing is known.
    (tmp_path / "transactions.csv").write_text("customer_id,order_id,ordered_at,net_amount,discount_amount\n")
    check.main()
    assert "discount_amount" not in capsys.readouterr().out
    (tmp_path / "transactions.csv").unlink()
    check.main()
    assert "UNDELIVERED" not in capsys.readouterr().out


def test_the_projects_own_checkout_is_fine_and_compiled(checkout: Path) -> None:
    assert len(parse(root=checkout)) == 5
    assert compile_rules(checkout, is_check=True) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "error"),
    [
        (
            "seg_deals.yml",
            "status: active",
            "status: gone",
            "Segmentation seg_deals: status is 'gone'; it can be active, challenger or retired.",
        ),
        (
            "seg_value.yml",
            "status: active",
            "status: retired",
            "Segmentation seg_value_by_spend: challenger_of is seg_value, whose status is retired. Name an active "
            "segmentation instead.",
        ),
        (
            "seg_value.yml",
            "share: {maximum: 0.5,",
            "share: {maximum: 5,",
            "Segmentation seg_value, segment champions: share limits the segment's share of the customers, `share: "
            "{minimum: 0,",
        ),
    ],
)
def test_checkout_that_is_wrong(checkout: Path, file: str, old: str, new: str, error: str) -> None:
    edited(checkout / FOLDER / file, old, new)
    with pytest.raises(RuleError) as raised:
        parse(root=checkout)
    assert error in str(raised.value)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (
            SEGMENTATION.replace("rule: orders_30d > 1", "rule: {all: [orders_30d > 1], all: [orders_90d > 1]}"),
            'it is not YAML: line 5, column 12: found duplicate key "all".',
        ),
        ("models: [", "it is not YAML: "),
        (b"models: \xff\xfe", "it is not YAML: "),
    ],
)
def test_file_that_is_wrong_is_named(checkout: Path, content: str | bytes, error: str) -> None:
    file = checkout / FOLDER / "seg_new.yml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RuleError) as raised:
        parse(root=checkout)
    assert str(raised.value).startswith(f"models/segmentations/seg_new.yml: {error}")


@pytest.mark.parametrize("content", ["", "models:", "- models", "models: [1]", "models: [{name: x, config: }]", "x: 1"])
def test_properties_of_other_models_are_none_of_our_business(checkout: Path, content: str) -> None:
    (checkout / FOLDER / "_other.yml").write_text(content)
    assert len(parse(root=checkout)) == 5


@pytest.mark.parametrize("name", ["other.yml", "value.yaml", "seg_value.yaml"])
def test_a_segmentation_that_would_be_overlooked_is_told(checkout: Path, name: str) -> None:
    """A file with another ending would never be compiled."""
    (checkout / FOLDER / name).write_text(SEGMENTATION)
    with pytest.raises(RuleError, match=f"{name}: a segmentation's file is called seg_<name>.yml"):
        parse(root=checkout)


def test_check_says_what_is_wrong_and_nothing_else(project: Path) -> None:
    edited(project / FOLDER / "seg_lifecycle.yml", "rule: days_since_last_order > 90", "rule: {all: 5}")
    done = called(project, "flows.check")
    assert done.returncode == 1
    assert done.stderr == (
        "Stopped: Segmentation seg_lifecycle, segment churned: 'all' takes a list of at least one clause.\n"
    )


def test_check_takes_vars_and_no_argument_that_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It once read nothing of its command line, and told of the demo."""

    def checked(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["flows.check", *arguments])
        return check.main()

    assert checked() == 0
    assert "5 segmentations" in capsys.readouterr().out
    # Segmentations are files; they were a variable once.
    for name in ("segmentations", "lapsed_dayz"):
        assert checked("--vars", f"{{{name}: 5}}") == 1
        assert f"there is no variable '{name}'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        checked("--root", "elsewhere")


def test_b8_all_mistakes_of_all_files_are_told_at_once(checkout: Path) -> None:
    """One mistake a run was told, of three in three files."""
    folder = checkout / FOLDER
    edited(folder / "seg_lifecycle.yml", "rule: days_since_last_order > 90", "rule: days_since_last_ordr > 90")
    edited(folder / "seg_lifecycle.yml", "- name: churned", "- labl: Gone\n    name: Churned")
    edited(folder / "seg_deals.yml", "confirm_days: 7", "confirm_days: x")
    edited(folder / "seg_value.yml", "confirm_days: 3", "confirm_days: 0\nownr: x")
    with pytest.raises(RuleError) as raised:
        parse(root=checkout)
    assert str(raised.value).splitlines() == [
        "Segmentation seg_deals: confirm_days is 'x'; it is a whole number of days, from 1 to 366.",
        "Segmentation seg_lifecycle, segment Churned: unknown key 'labl'. Did you mean 'label'?",
        "Segmentation seg_lifecycle, segment Churned: a segment's name is lower case letters, digits and _, beginning "
        "with a letter.",
        "Segmentation seg_lifecycle, segment Churned, clause 'days_since_last_ordr > 90': there is no feature "
        "'days_since_last_ordr'. Did you mean 'days_since_last_order'?",
        "Segmentation seg_value: unknown key 'ownr'. Did you mean 'owner'?",
        "Segmentation seg_value: confirm_days is '0'; it is a whole number of days, from 1 to 366.",
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


def test_b8_files_that_are_no_yaml_are_all_told_with_mistakes_in_others(checkout: Path) -> None:
    for name in ("seg_one", "seg_two"):
        (checkout / FOLDER / f"{name}.yml").write_text("owner: [")
    (checkout / FOLDER / "seg_three.yml").write_text(SEGMENTATION.replace("owner: a@example.com", "label: Three"))
    with pytest.raises(RuleError) as raised:
        parse(root=checkout)
    told = ("seg_one.yml: it is not YAML", "seg_two.yml: it is not YAML", "Segmentation seg_three: it has no owner")
    assert len(str(raised.value).splitlines()) == len(told)
    assert all(each in str(raised.value) for each in told)


@pytest.mark.parametrize(
    "rule",
    [
        "&a {all: [*a]}",
        "&a {any: [*a, *a, {not: *a}]}",
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


def test_b8_settings_and_rules_are_told_together(project: Path) -> None:
    edited(project / FOLDER / "seg_deals.yml", "confirm_days: 7", "confirm_days: x")
    done = called(project, "flows.check", "--vars", "{lapsed_days: -5}")
    assert done.returncode == 1
    assert "lapsed_days is -5" in done.stderr
    assert "Segmentation seg_deals: confirm_days is 'x'" in done.stderr


def test_b2_limits_of_shares_go_with_the_segment_that_they_are_about(checkout: Path) -> None:
    """The demo's limit of seg_value/champions once stopped whoever called their own segments otherwise."""
    assert share_limits(parse(root=checkout))["seg_value/champions"].maximum == 0.5
    own = "share: {maximum: 0.5, reason: x}"
    edited(checkout / "models/segmentations/seg_deals.yml", "- name: coupon_users", f"- {own}\n    name: mine")
    (checkout / "models/segmentations/seg_value.yml").write_text(
        SEGMENTATION.replace("orders_30d > 1", "net_sales_365d >= p80")
    )
    assert list(share_limits(parse(root=checkout))) == ["seg_deals/mine"]


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

"""What flows.check, the plan and a run refuse of a checkout before anything is touched, and how they say so."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
import pytest
import yaml
from shop import edited

from flows import check
from flows import compile as compiling
from flows.compile import compile_rules
from flows.rules.definitions import RuleError, parse, share_limits
from flows.rules.macros import macros
from flows.rules.undelivered import undelivered_summary
from flows.steps.project import ROOT, Project


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of its own, as far as rules are concerned."""
    for name in ("models", "macros"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


FOLDER = Path("models/segmentations")
SEGMENTATION = """owner: a@example.com
segments:
  - {name: a, description: "-", rule: orders_30d > 1}
  - {name: b, description: "-"}
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


def test_limits_of_a_share_that_are_wrong(checkout: Path) -> None:
    edited(checkout / FOLDER / "seg_value.yml", "share: {maximum: 0.5,", "share: {maximum: 5,")
    with pytest.raises(RuleError, match="Segmentation seg_value, segment champions: share limits the segment's share"):
        parse(root=checkout)


def test_a_segmentation_is_one_file_and_so_is_removing_it(checkout: Path) -> None:
    before = files_of(checkout)
    (checkout / FOLDER / "seg_new.yml").write_text(SEGMENTATION)
    written = compile_rules(checkout)
    assert "models/segmentations/seg_new.sql written" in written
    model = (checkout / FOLDER / "seg_new.sql").read_text()
    assert "when customer_features.orders_30d > 1 then 'a'" in model
    assert column_of_customers(checkout, "seg_new")
    properties = yaml.safe_load((checkout / FOLDER / "_compiled.yml").read_text())["models"]
    (described,) = (each for each in properties if each["name"] == "seg_new")
    assert described["config"]["contract"] == {"enforced": True}
    assert [column["name"] for column in described["columns"]][:2] == ["customer_id", "as_of_date"]
    assert compile_rules(checkout) == []

    (checkout / FOLDER / "seg_new.yml").unlink()
    assert "models/segmentations/seg_new.sql removed" in compile_rules(checkout)
    assert files_of(checkout) == before


def test_a_retired_segmentation_has_no_model_and_no_column(checkout: Path) -> None:
    """dbt once found its column after the history was written: seg_deals, missing in definition."""
    edited(checkout / FOLDER / "seg_deals.yml", "status: active", "status: retired")
    assert "models/segmentations/seg_deals.sql removed" in compile_rules(checkout)
    assert not column_of_customers(checkout, "seg_deals")
    assert len(parse(root=checkout)) == 4


def test_a_challenger_has_a_model_and_no_column(checkout: Path) -> None:
    assert (checkout / FOLDER / "seg_value_by_spend.sql").exists()
    assert not column_of_customers(checkout, "seg_value_by_spend")


def test_stale_sql_is_named_and_left_alone_by_a_check(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edited(checkout / FOLDER / "seg_lifecycle.yml", "active_days_90d >= 13", "active_days_90d >= 14")
    before = files_of(checkout)
    stale = compile_rules(checkout, is_check=True)
    assert "models/segmentations/seg_lifecycle.sql is stale" in stale
    assert "macros/rules/compiled.sql is stale" in stale
    assert files_of(checkout) == before

    monkeypatch.setattr(compiling, "compile_rules", lambda is_check: stale if is_check else [])
    monkeypatch.setattr(sys, "argv", ["flows.compile", "--check"])
    assert compiling.main() == 1
    assert "Run `python -m flows.compile` and commit" in capsys.readouterr().err


def test_mistakes_compile_to_nothing(checkout: Path) -> None:
    edited(checkout / FOLDER / "seg_lifecycle.yml", "active_days_90d >= 13", "active_days_90 >= 14")
    edited(checkout / FOLDER / "seg_value.yml", "confirm_days: 3", "confirm_days: 4")
    before = files_of(checkout)
    with pytest.raises(RuleError, match="there is no feature 'active_days_90'"):
        compile_rules(checkout)
    assert files_of(checkout) == before


def test_sql_by_hand_is_overwritten(checkout: Path) -> None:
    edited(checkout / FOLDER / "seg_lifecycle.sql", "active_days_90d >= 13", "active_days_90d >= 14")
    assert compile_rules(checkout) == ["models/segmentations/seg_lifecycle.sql written"]


@pytest.mark.parametrize(
    "text", ["a {{ ref('x') }} {% raw %} {# b", "it's\n\nlong " * 40, "emoji \U0001f600 und Stra\u00dfe"]
)
def test_any_text_compiles_to_sql_that_jinja_leaves_alone(checkout: Path, text: str) -> None:
    content = yaml.safe_load(SEGMENTATION)
    content["description"] = content["segments"][0]["description"] = content["segments"][0]["persona"] = text
    (checkout / FOLDER / "seg_new.yml").write_text(yaml.safe_dump(content, allow_unicode=True))
    compile_rules(checkout)
    rendered = jinja2.Environment().from_string((checkout / FOLDER / "seg_new.sql").read_text())
    gone = rendered.render(ref=lambda name: name, dbt=SimpleNamespace(type_string=lambda: "varchar"))
    assert "'a'" in gone
    assert all(len(line) <= 120 for line in gone.splitlines())
    macro = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(
        (checkout / "macros/rules/compiled.sql").read_text()
    )
    given: list[dict[str, Any]] = []
    macro.make_module({"return": given.append, "days_between": lambda *dates: "days"}).compiled()
    (found,) = (each for each in given[0]["segmentations"] if each["name"] == "seg_new")
    assert found["description"] == found["segments"][0]["persona"] == text


def column_of_customers(checkout: Path, name: str) -> bool:
    """Whether dim_customers has a column for a segmentation."""
    models = yaml.safe_load((checkout / "models/marts/customers/_customers.yml").read_text())["models"]
    (customers,) = (model for model in models if model["name"] == "dim_customers")
    return name in [column["name"] for column in customers["columns"]]


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (
            SEGMENTATION.replace("rule: orders_30d > 1", "rule: {all: [orders_30d > 1], all: [orders_90d > 1]}"),
            'found duplicate key "all"',
        ),
        ("segments: [", "is not YAML"),
        (b"segments: \xff\xfe", "is not YAML"),
        ("- a list", "it is a list, but must have keys such as owner and segments"),
        ("", "it is empty, but must have keys such as owner and segments"),
    ],
)
def test_file_that_is_wrong_is_named(checkout: Path, content: str | bytes, error: str) -> None:
    file = checkout / FOLDER / "seg_new.yml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RuleError) as raised:
        parse(root=checkout)
    assert str(raised.value).startswith("models/segmentations/seg_new.yml: ")
    assert error in str(raised.value)


@pytest.mark.parametrize("name", ["other.yml", "seg_New.yml", "seg_new.yaml"])
def test_file_whose_name_is_no_segmentations_is_told(checkout: Path, name: str) -> None:
    (checkout / FOLDER / name).write_text(SEGMENTATION)
    with pytest.raises(RuleError, match=r"a segmentation's file is called seg_<name>\.yml"):
        parse(root=checkout)


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
    assert "there is no variable 'segmentations'" in capsys.readouterr().err
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


def test_b8_files_that_are_no_yaml_are_told_with_mistakes_in_others(checkout: Path) -> None:
    for name in ("seg_one", "seg_two"):
        (checkout / FOLDER / f"{name}.yml").write_text("segments: [")
    edited(checkout / FOLDER / "seg_value.yml", "confirm_days: 3", "confirm_days: x")
    with pytest.raises(RuleError) as raised:
        parse(root=checkout)
    for told in ("seg_one.yml: it is not YAML", "seg_two.yml: it is not YAML", "seg_value: confirm_days is 'x'"):
        assert told in str(raised.value)


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


def test_b8_settings_and_rules_are_told_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(**_settings: object) -> None:
        raise RuleError("Segmentation seg_x: it has no owner.")

    monkeypatch.setattr(check, "parse", wrong)
    monkeypatch.setattr(sys, "argv", ["flows.check", "--vars", "{lapsed_days: -5}"])
    assert check.main() == 1
    told = capsys.readouterr().err
    assert "lapsed_days is -5" in told
    assert "Segmentation seg_x: it has no owner" in told


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

"""Promotion of a challenger, on a copy of the project's own YAML files."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml

from flows import compile as writer
from flows import promote as command
from flows.rules import promote as rules
from flows.rules.definitions import RuleError, parse
from flows.rules.promote import promote
from flows.steps.errors import RunStopped
from flows.steps.project import ROOT

SEGMENTATIONS = Path("models/segmentations")
MARTS = Path("models/marts/customers/_customers.yml")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a promotion reads and writes."""
    root = tmp_path / "checkout"
    root.mkdir()
    for folder in ("macros", "models/segmentations", "models/features", "models/history", "models/marts"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root


COMPILED = (
    *("macros/rules/compiled.sql", "models/segmentations/_compiled.yml"),
    *(f"models/history/{name}.sql" for name in ("rule_inputs", "segment_explanations")),
    "models/marts/segments/customer_segment_explanations.sql",
)


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def changed_lines(before: dict[str, bytes], after: dict[str, bytes]) -> dict[str, tuple[set[str], set[str]]]:
    """The lines that went and came, by file."""
    found = {}
    assert before.keys() == after.keys()
    for name in before:
        old, new = before[name].decode().splitlines(), after[name].decode().splitlines()
        if old != new:
            found[name] = ({line for line in old if line not in new}, {line for line in new if line not in old})
    return found


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_bytes().decode()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
    path.write_bytes(text.replace(old, new).encode())


def test_promoting_swaps_status_and_column_and_touches_no_other_line(checkout: Path) -> None:
    before = files_of(checkout)
    promote("seg_value_by_spend", checkout)
    changed = changed_lines(before, files_of(checkout))
    assert set(changed) & set(COMPILED) == {"macros/rules/compiled.sql", "models/segmentations/_compiled.yml"}
    assert {name: lines for name, lines in changed.items() if name not in COMPILED} == {
        "models/segmentations/seg_value_by_spend.yml": (
            {"status: challenger", "challenger_of: seg_value"},
            {"status: active"},
        ),
        "models/segmentations/seg_value.yml": (
            {"status: active"},
            {"status: challenger", "challenger_of: seg_value_by_spend"},
        ),
        "models/marts/customers/_customers.yml": (
            {"      - name: seg_value", '        description: "The current segment in seg_value."'},
            {"      - name: seg_value_by_spend", '        description: "The current segment in seg_value_by_spend."'},
        ),
    }


def test_promoting_back_leaves_every_byte_as_it_was(checkout: Path) -> None:
    before = files_of(checkout)
    promote("seg_value_by_spend", checkout)
    assert files_of(checkout) != before
    promote("seg_value", checkout)
    assert files_of(checkout) == before


def test_both_keep_their_rule_versions_and_so_their_histories(checkout: Path) -> None:
    def versions() -> dict[str, str]:
        return {each.name: each.rule_version for each in parse(root=checkout)}

    before = versions()
    assert {"seg_value", "seg_value_by_spend"} <= before.keys()
    promote("seg_value_by_spend", checkout)
    assert versions() == before


def test_the_promoted_one_is_active_and_has_the_column_of_customers(checkout: Path) -> None:
    promote("seg_value_by_spend", checkout)
    active = sorted(each.name for each in parse(root=checkout) if each.status == "active")
    assert active == ["seg_deals", "seg_household", "seg_lifecycle", "seg_value_by_spend"]
    (customers,) = (
        model for model in yaml.safe_load((checkout / MARTS).read_text())["models"] if model["name"] == "dim_customers"
    )
    assert {column["name"] for column in customers["columns"] if column["name"].startswith("seg_")} == set(active)


def test_comments_quotes_order_and_ends_of_lines_stay(checkout: Path) -> None:
    old, new = (checkout / SEGMENTATIONS / f"{name}.yml" for name in ("seg_value", "seg_value_by_spend"))
    edit(old, "status: active\n", "status:   'active'   # since 2017\n\n# as agreed\n")
    edit(new, "challenger_of: seg_value\n", "")
    edit(new, "owner: crm", 'challenger_of: "seg_value"\nowner: crm')
    new.write_bytes(new.read_bytes().replace(b"\n", b"\r\n"))
    before = files_of(checkout)
    promote("seg_value_by_spend", checkout)
    changed = changed_lines(before, files_of(checkout))
    assert changed[f"{SEGMENTATIONS}/seg_value.yml"] == (
        {"status:   'active'   # since 2017"},
        {"status:   'challenger'   # since 2017", "challenger_of: seg_value_by_spend"},
    )
    assert changed[f"{SEGMENTATIONS}/seg_value_by_spend.yml"] == (
        {"status: challenger", 'challenger_of: "seg_value"'},
        {"status: active"},
    )
    assert new.read_bytes().count(b"\r\n") == new.read_bytes().count(b"\n")


def test_a_status_that_was_left_out_is_written(checkout: Path) -> None:
    old = checkout / SEGMENTATIONS / "seg_value.yml"
    edit(old, "status: active\n", "")
    promote("seg_value_by_spend", checkout)
    owner = "owner: crm-lead@example.com\n"
    assert f"{owner}status: challenger\nchallenger_of: seg_value_by_spend\n" in old.read_text()


def add_second_challenger(checkout: Path) -> Path:
    first = checkout / SEGMENTATIONS / "seg_value_by_spend.yml"
    second = first.with_name("seg_value_again.yml")
    shutil.copy(first, second)
    writer.compile_rules(checkout)
    return second


def test_other_challengers_challenge_the_promoted_one_from_then_on(checkout: Path) -> None:
    second = add_second_challenger(checkout)
    before = files_of(checkout)
    promote("seg_value_by_spend", checkout)
    assert "challenger_of: seg_value_by_spend\n" in second.read_text()
    promote("seg_value", checkout)
    assert files_of(checkout) == before


RULES = SEGMENTATIONS / "seg_value_by_spend.yml"


@pytest.mark.parametrize(
    ("name", "path", "old", "new", "error"),
    [
        (
            "seg_value_by_spent",
            None,
            "",
            "",
            "no segmentation 'seg_value_by_spent'. Did you mean 'seg_value_by_spend'?",
        ),
        (
            "seg_deals",
            None,
            "",
            "",
            "seg_deals is not a challenger; its status is active. Challengers are: seg_value_by_s",
        ),
        (
            "seg_value_by_spend",
            RULES,
            "monetary_score <= 2]}\n    persona: A few things",
            "money_score <= 2]}\n    persona: A few things",
            "Segmentation seg_value_by_spend, segment about_to_sleep, clause 'money_score <= 2': there is no feature",
        ),
        (
            "seg_value_by_spend",
            RULES,
            "label: Value by spend",
            "label: 'Value",
            "seg_value_by_spend.yml: it is not YAML",
        ),
        (
            "seg_value_by_spend",
            RULES,
            "confirm_days: 3\n",
            "confirm_days: 3\nconfirm_days: 4\n",
            'found duplicate key "confirm_days"',
        ),
        (
            "seg_value_by_spend",
            RULES,
            "challenger_of: seg_value\n",
            "challenger_of: seg_valu\n",
            "challenger_of is 'seg_valu'. Did you mean 'seg_value'?",
        ),
        (
            "seg_value_by_spend",
            RULES,
            "challenger_of: seg_value\n",
            "challenger_of:\n  seg_value\n",
            "Segmentation seg_value_by_spend: its YAML is written in a way that this cannot edit",
        ),
    ],
)
def test_what_cannot_be_promoted_changes_no_file(
    checkout: Path, name: str, path: Path | None, old: str, new: str, error: str
) -> None:
    if path:
        edit(checkout / path, old, new)
    before = files_of(checkout)
    with pytest.raises(RunStopped) as stopped:
        promote(name, checkout)
    assert error in str(stopped.value)
    assert files_of(checkout) == before


def test_a_definition_in_braces_is_not_edited(checkout: Path) -> None:
    path = checkout / RULES
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content, default_flow_style=True, width=10_000))
    before = files_of(checkout)
    with pytest.raises(RunStopped, match="write status and challenger_of on lines of their own"):
        promote("seg_value_by_spend", checkout)
    assert files_of(checkout) == before


def test_definitions_are_checked_as_they_are_after_the_edit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit that leaves another challenger behind gives definitions that are wrong, and is not written."""
    second = add_second_challenger(checkout)
    define = rules._Files.define

    def forgetful(files: rules._Files, name: str, keys: dict) -> None:
        define(files, name, keys)
        if name == "seg_value_again":
            files.texts[second] = second.read_text()

    monkeypatch.setattr(rules._Files, "define", forgetful)
    before = files_of(checkout)
    with pytest.raises(RunStopped, match="seg_value_again: its YAML is written in a way"):
        promote("seg_value_by_spend", checkout)
    assert files_of(checkout) == before

    monkeypatch.setattr(
        rules, "_check_edits", lambda files, *_: parse(rules._metas(checkout) | files.edited_metas(), checkout)
    )
    with pytest.raises(RuleError, match="seg_value_again: challenger_of is seg_value, whose status is challenger"):
        promote("seg_value_by_spend", checkout)
    assert files_of(checkout) == before


@pytest.mark.parametrize("failing", [0, 1, 3], ids=["first YAML", "second YAML", "compiled"])
def test_a_file_that_cannot_be_written_leaves_the_others_as_they_were(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    replace, replaced = writer._replace, []

    def full_disk(path: Path, content: bytes | None) -> None:
        if len(replaced) == failing:
            replaced.append(path)
            raise OSError(28, "No space left on device", str(path))
        replaced.append(path)
        replace(path, content)

    monkeypatch.setattr(writer, "_replace", full_disk)
    before = files_of(checkout)
    with pytest.raises(RunStopped, match="No space left on device"):
        promote("seg_value_by_spend", checkout)
    # What was written was put back.
    assert len(replaced) == 2 * failing + 1
    assert files_of(checkout) == before


def test_the_command_says_what_it_changed_and_what_to_do_next(checkout: Path) -> None:
    told = command.promoted("seg_value_by_spend", checkout)
    assert "seg_value_by_spend is the active segmentation now, and seg_value challenges it" in told
    for name in ("models/segmentations/seg_value_by_spend.yml", "models/segmentations/seg_value.yml", str(MARTS)):
        assert name in told
    assert "git diff" in told
    assert "flows.plan" in told


def test_the_command_fails_in_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["promote", "seg_nobody_knows"])
    assert command.main() == 1
    assert "Stopped: There is no segmentation 'seg_nobody_knows'" in capsys.readouterr().err

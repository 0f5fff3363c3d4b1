"""Every setting is typed: what may stand in dbt_project.yml, in --vars and in the environment."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.check import main
from flows.rules.definitions import RuleError
from flows.rules.macros import macros
from flows.steps.dbt import dbt_arguments
from flows.steps.errors import RunStopped
from flows.steps.project import ROOT, Project
from flows.steps.settings import Settings, invalid_environment, invalid_settings, plain, settings_of

NOT_IN_SQL = {
    *("sources_late_after_days", "releases_kept", "release_grace_minutes", "logs_kept_days", "runs_kept_days"),
    *("chunk_customer_days", "newest_day_is_complete", "tested_days"),
}


def project_vars() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]


def found(**changed: Any) -> list[str]:
    return list(invalid_settings(project_vars() | changed, ROOT))


def test_e2_project_and_schema_name_the_same_variables() -> None:
    model, _ = settings_of(ROOT)
    assert set(model.model_fields) == set(project_vars()), "add a field to Settings in flows/steps/settings.py"
    assert found() == []


def test_e2_a_bare_build_knows_the_form_of_what_reaches_sql() -> None:
    """A number of the settings that the macro does not know would become SQL whatever it says."""
    wanted = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}
    wanted["date"] = "a date, YYYY-MM-DD"

    def kinds(described: dict) -> set[str]:
        inner = [*described.get("anyOf", []), *([described["items"]] if "items" in described else [])]
        return {described.get("format", described.get("type", ""))}.union(*map(kinds, inner))

    by_kind = macros(models={}).settings_by_kind()
    schema = Settings.model_json_schema()["properties"]
    for name, described in schema.items():
        for kind in kinds(described) & set(wanted):
            if name not in NOT_IN_SQL:
                assert name in by_kind[wanted[kind]], f"add {name} to settings_by_kind in macros/check_settings.sql"
    assert {name for names in by_kind.values() for name in names} <= set(schema)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lapsed_days", -5, "is -5, but must be a whole number from 1 to 36500"),
        ("lapsed_days", True, "is true, but must be a whole number"),
        ("lapsed_days", 90.0, "is 90.0, but must be a whole number"),
        ("lapsed_days", None, "is null, but must be a whole number"),
        ("value_holdout_days", "91; drop", "is '91; drop', but must be a whole number from 1 to 3660"),
        ("follow_up_days", [], r"is \[\], but must be a list of whole numbers"),
        ("follow_up_days", [30, "x"], r"\[1\] is 'x', but must be a list of whole numbers"),
        ("follow_up_days", [30, 30], r"is \[30, 30\], but must be a list of whole numbers .* each once"),
        ("alert_minimum_psi", float("nan"), "is nan, but must be a number from 0"),
        ("alert_minimum_score", float("inf"), "is inf, but must be a number from 0"),
        ("alert_false_discovery_rate", 1, "is 1, but must be a number between 0 and 1"),
        ("outgrown_rand_index", "0.2", "is '0.2', but must be a number from -1 to 1"),
        ("drift_features", ["orders_30"], r"there is no 'orders_30' .*Did you mean 'orders_30d'\?"),
        ("drift_features", ["age_band"], "there is no 'age_band'"),
        ("drift_features", ["orders_30d", "orders_30d"], "each once"),
        ("drift_features", "orders_30d", "is 'orders_30d', but must be a list"),
        ("logs_kept_days", 99999999999, "is 99999999999, but must be a whole number from 1 to 36500, or null for ever"),
        ("release_grace_minutes", -5, "is -5, but must be a whole number from 0"),
        ("sources_late_after_days", 0, "is 0, but must be a whole number from 1 to 36500, or null for never"),
        ("late_days", "abc", "is 'abc', but must be a whole number"),
        ("sources", [], r"is \[\], but must be a list of source systems"),
        ("sources", ["file"], r"there is no 'file' .*Did you mean 'files'\?"),
        ("sources", "files", "is 'files', but must be a list"),
        ("files_folder", None, "is null, but must be the path of a folder"),
        ("files_folder", " ", "is ' ', but must be the path of a folder"),
        ("cross_sell_segmentation", "seg_valu", r"Did you mean 'seg_value'\?"),
        ("cross_sell_excluded_categories", [5], r"\[0\] is 5, but must be a list of categories"),
        ("timezone", "Mars", "is 'Mars', but must be a time zone"),
        ("timezone", None, "is null, but must be a time zone"),
        ("timezone", "../../etc/passwd", "must be a time zone"),
        ("history_start", "foo", "is 'foo', but must be a date, YYYY-MM-DD, or null"),
        ("history_start", "2017-02-30", "must be a date"),
        ("history_start", 20170401, "must be a date"),
        ("drift_baseline_date", [], r"is \[\], but must be a date"),
        ("last_date", "2016-01-01", "must be a date, first_date or later"),
        ("customer_id_type", "integer); drop", "must be bigint or varchar"),
        ("tested_days", "x", "is 'x', but must be run or all"),
        ("incremental_features", "maybe", "is 'maybe', but must be true or false"),
        ("tests_kept_days", 104, "is 104, but must be a whole number, at least alert_usual_days"),
        ("alert_minimum_weeks", 12, "is 12, but must be a whole number, at least 1 and at most alert_usual_days / 7"),
        ("regular_orders", 1, "is 1, but must be a whole number from 2"),
        ("lapse_days", 90, r"there is no variable 'lapse_days'\. Did you mean 'lapsed_days'\?"),
    ],
)
def test_e2_wrong_setting_is_told_with_name_value_and_what_it_may_be(name: str, value: Any, message: str) -> None:
    (told,) = found(**{name: value})
    assert re.match(f"vars: (there is no variable ')?{name}.*", told), told
    assert re.search(message, told), told


def test_e2_all_that_is_wrong_is_told_at_once() -> None:
    wrong = {"lapsed_days": -5, "follow_up_days": [], "alert_minimum_psi": float("nan"), "sorces": ["files"]}
    with pytest.raises(RunStopped) as stopped:
        Project.with_vars(yaml.safe_dump(wrong)).checked()
    assert [name for name in wrong if name not in str(stopped.value)] == []
    assert str(stopped.value).count("vars: ") == len(wrong)


def test_e2_setting_that_is_missing_is_told() -> None:
    given = project_vars()
    del given["lapsed_days"]
    (told,) = invalid_settings(given, ROOT)
    assert told.startswith("vars: lapsed_days is missing. It must be a whole number")


@pytest.mark.parametrize(
    ("name", "value", "is_right"),
    [
        *[("TESSERA_MEMORY", value, True) for value in ("2GB", "500 MB", "1.5GiB", "0.5gb")],
        *[("TESSERA_MEMORY", value, False) for value in ("80%", "lots", "-1", "0", "", "1000", "0GB", "2GB'; x")],
        ("TESSERA_WAREHOUSE", "", False),
        ("TESSERA_SERVING", " ", False),
        ("TESSERA_TESTED_DAYS", "some", False),
        ("TESSERA_TESTED_DAYS", "all", True),
    ],
)
def test_e2_environment_is_typed_too(name: str, value: str, is_right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list(invalid_environment({name: value, "HOME": ""}))
    assert (told == []) == is_right
    if not is_right:
        assert told[0].startswith(f"environment: {name} is {value!r}, but must be ")
        monkeypatch.setenv(name, value)
        with pytest.raises(RunStopped, match=name):
            Project().checked()


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"value_holdout_days": "91; drop", "lapsed_days": -5}, ["value_holdout_days", "lapsed_days"]),
        ({"follow_up_days": [30, "1) --"]}, ["follow_up_days"]),
        ({"alert_minimum_psi": float("nan")}, ["alert_minimum_psi"]),
        ({"timezone": "UTC'"}, ["timezone"]),
        ({"customer_id_type": "bigint) as x, (1"}, ["customer_id_type"]),
        ({"history_start": "x"}, ["history_start"]),
        ({"incremental_features": "true or 1 = 1"}, ["incremental_features"]),
    ],
)
def test_e2_bare_build_refuses_what_would_become_other_sql(changed: dict[str, Any], names: list[str]) -> None:
    with pytest.raises(RuleError) as refused:
        macros(variables=changed, models={}).check_settings()
    assert re.findall(r"vars: (\w+) is", str(refused.value)) == names


def test_e2_bare_build_takes_the_settings_of_the_project() -> None:
    macros().check_settings()
    macros(variables={"history_start": date(2010, 12, 1), "drift_baseline_date": None}).check_settings()


def test_e2_check_of_the_rules_refuses_wrong_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["flows.check", "--vars", "{lapsed_days: -5}"])
    assert main() == 1
    assert "lapsed_days is -5" in capsys.readouterr().err


def test_b4_a_date_that_is_not_in_the_calendar_is_refused() -> None:
    """The YAML reader ended in a traceback."""
    with pytest.raises(RunStopped, match="--vars is not YAML: month must be in"):
        Project.with_vars("{history_start: 2011-13-01}")


@pytest.mark.parametrize("name", ["history_start", "drift_baseline_date", "first_date"])
def test_b4_dates_may_be_written_without_quotes(name: str) -> None:
    project = Project.with_vars(f"{{{name}: 2010-12-01}}").checked()
    assert project.vars[name] == "2010-12-01"
    arguments = dbt_arguments("build", project)
    assert json.loads(arguments[arguments.index("--vars") + 1]) == {name: "2010-12-01"}


def test_b4_dates_are_text_at_whatever_depth() -> None:
    nested = {"a": [{"b": date(2010, 12, 1)}], date(2011, 1, 1): (date(2012, 1, 1), 5, None)}
    assert plain(nested) == {"a": [{"b": "2010-12-01"}], "2011-01-01": ["2012-01-01", 5, None]}
    overrides = {"cross_sell_excluded_categories": [date(2010, 12, 1)], "history_start": date(2010, 12, 1)}
    arguments = dbt_arguments("build", Project(overrides=overrides))
    assert json.loads(arguments[arguments.index("--vars") + 1])["history_start"] == "2010-12-01"


def test_e2_settings_are_read_from_the_checkout_that_is_asked_about(tmp_path: Path) -> None:
    for folder in ("models/staging/crm", "models/segmentations", "models/features"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "models/features/_features.yml").write_text("models: [{")
    (tmp_path / "models/segmentations/seg_own.yml").touch()
    given = {name: value for name, value in project_vars().items() if not name.endswith("_folder")}
    own = {"sources": ["crm"], "crm_folder": "crm", "cross_sell_segmentation": None}
    assert list(invalid_settings(given | own, tmp_path)) == []
    assert len(list(invalid_settings(given, tmp_path))) == 3

"""What a build that is given no days may do to a warehouse that has some."""

from types import SimpleNamespace
from typing import Any

import pytest

from flows.rules.definitions import RuleError
from flows.rules.macros import macros


def check(newest: str | None, command: str = "build", given: dict[str, str] | None = None, last: str = "") -> None:
    """Begin dbt on a warehouse whose history ends on a day, where vars end on 31 December 2017."""
    node = SimpleNamespace(database="tessera", schema="history", alias="segmentation_days")
    answer = SimpleNamespace(columns=[SimpleNamespace(values=lambda: [newest])])
    environment = {"TESSERA_LAST_DATE": last} if last else {}
    known: Any = macros(
        variables={"first_date": "2017-04-01", "last_date": "2017-12-31"},
        adapter={"get_relation": lambda *_name: "history.segmentation_days" if newest else None},
        graph={"nodes": {"model.tessera.segmentation_days": node}},
        flags=SimpleNamespace(WHICH=command),
        invocation_args_dict={"vars": given or {}},
        env_var=lambda name, default: environment.get(name, default),
        run_query=lambda _sql: answer,
    )
    known.check_window()


def test_a_bare_build_does_not_forget_days() -> None:
    """On own data it took the demo's days from vars, and every log would have lost all that came after."""
    with pytest.raises(RuleError, match="has days up to 2018-01-01, and dbt build without days"):
        check("2018-01-01")
    with pytest.raises(RuleError, match="dbt run without days"):
        check("2018-01-01", command="run")


@pytest.mark.parametrize(
    "allowed",
    [
        {"newest": None},
        {"newest": "2017-12-31"},
        {"newest": "2018-01-01", "command": "test"},
        {"newest": "2018-01-01", "given": {"last_date": "2017-12-31"}},
        {"newest": "2018-01-01", "last": "2017-12-31"},
    ],
    ids=str,
)
def test_a_build_goes_on_where_nothing_is_forgotten_or_the_days_are_given(allowed: dict[str, Any]) -> None:
    check(**allowed)


@pytest.mark.parametrize(
    ("variables", "error"),
    [
        ({"first_date": "2017-13-01"}, "first_date is '2017-13-01', which is not a valid date"),
        ({"last_date": "tomorrow"}, "last_date is 'tomorrow'"),
        ({"first_date": "2018-01-01", "last_date": "2017-12-31"}, "The window is empty"),
    ],
)
def test_window_that_is_wrong(variables: dict[str, str], error: str) -> None:
    with pytest.raises(RuleError) as raised:
        macros(variables=variables).run_window()
    assert error in str(raised.value)


def test_window_has_its_days() -> None:
    window = macros(variables={"first_date": "2016-02-28", "last_date": "2016-03-01"}).run_window()
    assert (str(window["first"]), str(window["last"]), window["days"]) == ("2016-02-28", "2016-03-01", 3)


@pytest.mark.parametrize("day", ["2016-02-29", "2000-02-29", "2017-12-31"])
def test_days_of_the_calendar(day: str) -> None:
    assert macros().is_iso_date(day)


@pytest.mark.parametrize("day", ["2017-02-29", "1900-02-29", "2017-04-31", "0000-01-01", "2017-1-1", "2017-01-01 "])
def test_no_days_of_the_calendar(day: str) -> None:
    assert not macros().is_iso_date(day)


def test_literals_are_quoted() -> None:
    assert macros().sql_text("it's").strip() == "cast('it''s' as varchar)"
    assert macros().sql_text(None).strip() == "cast(null as varchar)"

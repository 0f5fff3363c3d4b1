"""A day that is odd on purpose is let through on purpose, and written down."""

import json
import shutil
import sys
from pathlib import Path

import duckdb
import pytest
from conftest import NEXT_DAY, PUBLISHED, Shop, released, rows
from shop import CUSTOMERS, HISTORY_START, take_out

from expectations.runner import CheckResult, describe, failures, let_through
from flows import backfill as backfill_command
from flows import daily as daily_command
from flows.backfill import backfill
from flows.daily import daily
from flows.report import page
from flows.steps import operations_log
from flows.steps.acceptance import Acceptance, acceptance
from flows.steps.errors import RunStopped
from flows.steps.project import Project
from flows.steps.run import Run
from flows.steps.window import Window

VANISHED = CheckResult(
    suite="inputs/input_customers",
    code="customers_vanished",
    description="customers who were known before must still be in the customer feed",
    mart="checks.input_customers",
    status="failed",
    severity="error",
    observed="1 of 1 row: vanished_share 0.25",
    expected="at most 0.02",
    remedy="Deliver all customers.",
    is_acceptable=True,
)


def test_the_message_of_a_check_that_can_be_accepted_says_how() -> None:
    assert describe(VANISHED).endswith(
        'Deliver all customers. If the data are right, run again with --accept customers_vanished --reason "...".'
    )


def test_accepted_checks_stop_nothing_unless_they_could_not_be_evaluated() -> None:
    unread = CheckResult(**vars(VANISHED) | {"status": "not evaluated"})
    integrity = CheckResult(**vars(VANISHED) | {"is_acceptable": False})
    passed = CheckResult(**vars(VANISHED) | {"status": "passed"})
    results = let_through([VANISHED, unread, integrity, passed], ["customers_vanished"])
    assert [result.was_accepted for result in results] == [True, False, False, False]
    assert failures(results) == results[1:3]
    assert describe(results[0]).endswith("(customers_vanished). Accepted.")
    assert failures(let_through([VANISHED], ["volume_implausible"])) == [VANISHED]


def test_only_checks_of_plausibility_can_be_accepted_and_with_a_reason() -> None:
    assert acceptance(None, None) == acceptance([], None) == Acceptance()
    codes = ["segment_share_jumped", "customers_vanished", "segment_share_jumped"]
    given = acceptance(codes, " We closed the shop in Basel. ")
    assert given == Acceptance(("segment_share_jumped", "customers_vanished"), "We closed the shop in Basel.")
    with pytest.raises(RunStopped) as stopped:
        acceptance(["customer_duplicate", "misspelt", "day_missing"], " ")
    # All that is wrong at once, and what can be accepted.
    for text in ("--accept customer_duplicate, misspelt: ", "identical_lines_jumped", '--reason "..."'):
        assert text in str(stopped.value)
    with pytest.raises(RunStopped, match="--accept CODE"):
        acceptance(None, "odd")


@pytest.mark.parametrize(
    "code", ["customer_duplicate", "customer_id_missing", "invalid_net_amount", "orphan", "volume_unusual"]
)
def test_what_makes_numbers_wrong_is_refused_before_anything_is_touched(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESSERA_WAREHOUSE", str(tmp_path / "tessera.duckdb"))
    monkeypatch.setenv("TESSERA_LOGS", str(tmp_path / "logs"))
    with pytest.raises(RunStopped, match=f"--accept {code}: "):
        daily.fn(accept=[code], accept_reason="It is so.")
    with pytest.raises(RunStopped, match=f"--accept {code}: "):
        backfill.fn(first=PUBLISHED, accept=[code], accept_reason="It is so.")
    assert not list(tmp_path.iterdir())


def test_commands_hand_over_what_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    called = {}
    for command in (daily_command, backfill_command):
        monkeypatch.setattr(command, "call_flow", lambda _flow, **given: called.update(given) or "Released")
    accept = ["--accept", "day_missing", "--accept", "customers_vanished", "--reason", "A strike."]
    both = {"accept": ["day_missing", "customers_vanished"], "accept_reason": "A strike."}

    monkeypatch.setattr(sys, "argv", ["daily", *accept])
    assert daily_command.main() == 0
    assert called == {"as_of": None, "vars": None, **both}

    called.clear()
    monkeypatch.setattr(sys, "argv", ["backfill", "--first", str(PUBLISHED), *accept])
    assert backfill_command.main() == 0
    assert called == {"first": PUBLISHED, "last": None, "restate": False, "reason": None, "vars": None, **both}

    # One reason is for the restatement as well.
    called.clear()
    monkeypatch.setattr(sys, "argv", ["backfill", "--first", str(PUBLISHED), "--restate", *accept])
    assert backfill_command.main() == 0
    assert (called["reason"], called["accept_reason"]) == ("A strike.", "A strike.")


def test_what_was_let_through_is_written_down_and_what_was_not_needed_is_said(tmp_path: Path) -> None:
    told: list[str] = []
    project = Project(warehouse=tmp_path / "tessera.duckdb", serving=tmp_path / "serving", logs=tmp_path / "logs")
    accepted = Acceptance(("customers_vanished", "day_missing"), "We closed the shop in Basel.")
    window = Window(NEXT_DAY, NEXT_DAY, HISTORY_START)
    run = Run(project, window, "daily", report=told.append, accepted=accepted)
    run.begin()
    run._judge(let_through([VANISHED], accepted.codes))
    run._gate = type("Passing", (), {"run": lambda *_, **__: []})()
    run.check_marts()
    run.end("failed", "Something else.")
    (logged,) = operations_log.read_runs(project.warehouse)
    assert json.loads(logged.accepted_checks) == ["customers_vanished"]
    assert logged.accepted_reason == "We closed the shop in Basel."
    assert rows(project.warehouse, "select code, was_accepted from operations.checks") == [("customers_vanished", True)]
    assert any(line.startswith("accepted: inputs/input_customers: ") for line in told)
    assert "--accept day_missing was not needed: the check did not fail." in told


def test_a_log_of_an_earlier_version_gets_the_new_columns(tmp_path: Path) -> None:
    warehouse = tmp_path / "tessera.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema operations")
        connection.execute("create table operations.checks (run_id text, code text)")
        connection.execute("insert into operations.checks values ('old', 'day_missing')")
    operations_log.log_checks(warehouse, "new", let_through([VANISHED], ["customers_vanished"]))
    found = rows(warehouse, "select run_id, was_accepted from operations.checks order by run_id desc")
    assert found == [("old", None), ("new", True)]


def test_the_report_shows_what_was_let_through_and_why(published_shop: Shop, tmp_path: Path) -> None:
    shutil.copy(published_shop.serving / "current" / "tessera.duckdb", tmp_path / "tessera.duckdb")
    with duckdb.connect(str(tmp_path / "tessera.duckdb")) as connection:
        connection.execute(
            "update marts.ops_checks set status = 'failed', severity = 'error', was_accepted = true "
            "where code = 'customers_vanished'"
        )
        connection.execute("update marts.ops_runs set accepted_reason = 'Since 2023 they are <b>another</b> company.'")
    page.write(tmp_path / "tessera.duckdb", tmp_path, "r", previous_as_of=None)
    text = " ".join((tmp_path / "index.html").read_text().split())
    assert (
        "1 failed and was let through on purpose: Since 2023 they are &lt;b&gt;another&lt;/b&gt; company.</p>" in text
    )
    assert "<li>Let through: <strong>customers_vanished</strong> (checks.input_customers): " in text


def test_a2_customers_who_vanish_stop_a_run_until_they_are_let_through(
    shop: Shop, capsys: pytest.CaptureFixture
) -> None:
    """A quarter of everybody once left their segments, and entered them again when the feed was whole."""
    gone = [number for number in range(CUSTOMERS) if number % 4 == 0]
    take_out(shop.files, gone)
    before = shop.fingerprint()
    with pytest.raises(RunStopped) as stopped:
        daily(vars=shop.vars)
    for text in ("vanished_share 0.25", "vanished_customers 300", "--accept customers_vanished --reason"):
        assert text in str(stopped.value)
    assert shop.fingerprint() == before

    reason = "The shop in Basel was sold with its customers."
    codes = ["customers_vanished", "segment_emptied", "volume_implausible"]
    message = daily(vars=shop.vars, accept=codes, accept_reason=reason)
    assert message.startswith(f"Released {NEXT_DAY}")
    told = " ".join(capsys.readouterr().out.split())
    assert f"Accepted: customers_vanished, segment_emptied: {reason}" in told
    assert "--accept volume_implausible was not needed" in told
    run = "select accepted_checks, accepted_reason from marts.ops_runs order by started_at desc limit 1"
    assert released(shop, run) == [('["customers_vanished", "segment_emptied"]', reason)]
    accepted = "select distinct code from marts.ops_checks where was_accepted order by code"
    assert released(shop, accepted) == [("customers_vanished",), ("segment_emptied",)]
    report = (shop.serving / "current" / "report" / "index.html").read_text()
    assert reason in report
    left = "select count(distinct customer_id) from marts.fct_segment_spells where is_current"
    assert released(shop, left) == [(CUSTOMERS - len(gone),)]

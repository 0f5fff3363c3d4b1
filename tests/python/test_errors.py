"""What messages repeat of others."""

import json
from datetime import date
from pathlib import Path

import duckdb
import pytest

from flows.steps.dbt import read_event, readable_errors
from flows.steps.errors import RunStopped, first_line
from flows.steps.project import Project
from flows.steps.run import Run
from flows.steps.window import Window

KEYS = ["(forget)", "/forget", " forget", "for'forget'get", 'say "forget"', "two\nforget\nlines", "forget@example.com"]
STATEMENTS = [
    "select cast(customer_id as bigint) as key from people",
    "select cast(customer_id as date) as day from people",
    "select cast(customer_id as timestamp) as moment from people",
    "insert into unique_people select customer_id from people union all select customer_id from people",
]


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("key", KEYS)
def test_d6_no_message_repeats_a_value_that_duckdb_quotes(key: str, statement: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("create table people as select ? as customer_id", [key])
        connection.execute("create table unique_people (customer_id varchar primary key)")
        with pytest.raises(duckdb.Error) as error:
            connection.execute(statement)
    assert "forget" in str(error.value)
    said = f"Runtime Error in model people (models/people.sql)\n  {error.value}\n  compiled code at target/people.sql"
    _, event = read_event(json.dumps({"info": {"name": "RunResultError", "level": "error", "msg": said}}))
    told = readable_errors([event])
    assert "Runtime Error in model people" in told
    assert "Error: " in first_line(error.value)
    assert "forget" not in told + first_line(error.value)


def test_d6_no_message_repeats_a_line_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("customer_id,age_band\n" + "1,2\n" * 3 + "forget,forget,forget\n")
    read = (
        f"from read_csv('{file}', auto_detect = false, columns = {{'customer_id': 'varchar', 'age_band': 'varchar'}})"
    )
    with pytest.raises(duckdb.Error) as error:
        duckdb.sql(read).fetchall()
    assert "forget" in str(error.value)
    _, event = read_event(json.dumps({"info": {"name": "RunResultError", "level": "error", "msg": str(error.value)}}))
    assert "CSV Error on Line: 5" in event
    assert "forget" not in event


def test_messages_without_values_stay_as_they_are() -> None:
    said = "Catalog Error: Table with name 'people' does not exist!"
    assert first_line(f"{said}\nDid you mean 'peoples'?") == said


def test_d6_what_stops_a_step_repeats_no_value(tmp_path: Path) -> None:
    """Prefect is told of errors of tasks as they are."""
    project = Project(warehouse=tmp_path / "tessera.duckdb", serving=tmp_path / "serving", logs=tmp_path / "logs")
    run = Run(project, Window(date(2024, 4, 1), date(2024, 4, 1), date(2024, 4, 1)), "daily", report=lambda _line: None)
    with pytest.raises(RunStopped, match="Conversion Error: Could not convert string") as error, run.step("inputs"):
        duckdb.sql("select cast('forget' as bigint)").fetchall()
    run.events.close()
    assert "forget" not in str(error.value)
    assert not any(b"forget" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

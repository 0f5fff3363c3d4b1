"""The demo company's last week, on the real data: bare `dbt build` with every unit test and data test."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb

from flows.steps.project import ROOT


def test_bare_dbt_build_of_the_demos_last_week(tmp_path: Path) -> None:
    warehouse = tmp_path / "demo.duckdb"
    window = {"TESSERA_FIRST_DATE": "2017-12-25", "TESSERA_LAST_DATE": "2017-12-31"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("dbt")), "build", "--target-path", str(tmp_path / "target")],
        cwd=ROOT,
        env=os.environ | {"TESSERA_WAREHOUSE": str(warehouse)} | window,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " ERROR=0 " in done.stdout
    assert " WARN=0 " in done.stdout
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        assert connection.sql(
            "select segmentation, cast(sum(customers) as int) from marts.fct_segment_daily "
            "where as_of_date = date '2017-12-31' group by all order by 1"
        ).fetchall() == [
            ("seg_deals", 2469),
            ("seg_household", 2469),
            ("seg_lifecycle", 2469),
            ("seg_value", 2469),
            ("seg_value_by_spend", 2469),
        ]
        # Christmas Day: the stores were closed, and the seed says so.
        assert connection.sql("select order_date from checks.input_days where is_closed_day").fetchall() == [
            (connection.sql("select date '2017-12-25'").fetchone()[0],)
        ]

"""Readers of serving/current while releases follow each other as fast as they can."""

from datetime import timedelta
from pathlib import Path

import duckdb
from conftest import PUBLISHED, Shop

from flows.steps.release import publish
from tests.faults.readers import KINDS, query, reading


def test_no_query_fails_or_mixes_releases(shop: Shop) -> None:
    """Ten releases, each of another day and with other customers, under four readers."""
    with duckdb.connect(str(shop.warehouse)) as connection:
        # Plain tables, so that a release takes a moment only.
        connection.execute("create schema prepared")
        for mart in ("customer_segments", "dim_customers", "fct_segment_daily", "fct_segment_spells"):
            connection.execute(f"create table prepared.{mart} as from marts.{mart}")
        connection.execute("drop schema marts cascade; create schema marts")
        for mart in ("customer_segments", "dim_customers", "fct_segment_daily", "fct_segment_spells"):
            connection.execute(f"create table marts.{mart} as from prepared.{mart}")
    with reading(shop.serving, list(KINDS) * 2, pause=0.01) as seen:
        for number in range(1, 11):
            day = PUBLISHED + timedelta(days=number)
            with duckdb.connect(str(shop.warehouse)) as connection:
                gone = connection.sql(f"select min(customer_id) + {number % 5} from marts.dim_customers").fetchone()[0]
                for mart in ("customer_segments", "dim_customers", "fct_segment_spells"):
                    connection.execute(f"delete from marts.{mart} where customer_id <= ?", [gone])
                connection.execute("update marts.customer_segments set as_of_date = ?", [day])
                connection.execute("update marts.fct_segment_daily set as_of_date = ?, customers = 0", [day])
                connection.execute(
                    "update marts.fct_segment_daily set customers = (select count(*) from marts.customer_segments) "
                    "where rowid = (select min(rowid) from marts.fct_segment_daily)"
                )
            publish(
                shop.warehouse,
                shop.serving,
                day,
                f"299901{number:02}T000000Z",
                "test",
                ["files"],
                5,
                lambda folder: None,
                grace=timedelta(hours=1),
            )
    assert seen.failed == []
    assert seen.mixed == []
    assert len(seen.days) >= 8
    assert seen.queries > 40


def test_query_over_two_releases_is_found_out(shop: Shop, tmp_path: Path) -> None:
    """The readers' own check can fail: files of two releases do not pass."""
    release = (shop.serving / "current").resolve()
    relations = KINDS["parquet"](shop.serving)
    assert query(relations) == (str(PUBLISHED), "")
    other = tmp_path / "customer_segments.parquet"
    segments = duckdb.read_parquet(str(release / "parquet" / "customer_segments.parquet"))
    segments.select("* replace (as_of_date + 1 as as_of_date)").write_parquet(str(other))
    _, wrong = query(relations | {"customer_segments": f"read_parquet('{other}')"})
    assert wrong == f"customer_segments are of {PUBLISHED + timedelta(days=1)}, fct_segment_daily of {PUBLISHED}"

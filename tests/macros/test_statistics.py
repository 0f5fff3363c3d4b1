"""The statistics that SQL is not born with, against scipy's."""

from collections.abc import Iterator

import duckdb
import pytest
from scipy import stats

from flows.rules.macros import macros

M = macros()


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def value(connection: duckdb.DuckDBPyConnection, sql: str, **columns: float) -> float:
    given = ", ".join(f"cast({float(number)!r} as double) as {name}" for name, number in columns.items())
    return connection.sql(f"select {sql} from (select {given})").fetchone()[0]


@pytest.mark.parametrize("z", [-6.0, -1.0, 0.0, 0.1, 1.96, 4.0, 8.0, 30.0])
def test_the_normal_tail_is_right_far_out(connection: duckdb.DuckDBPyConnection, z: float) -> None:
    assert value(connection, M.normal_tail("z"), z=z) == pytest.approx(stats.norm.sf(z), rel=2e-7)


@pytest.mark.parametrize("p", [0.3, 0.05, 0.01, 1e-4])
def test_the_normal_quantile_is_good_to_four_digits(connection: duckdb.DuckDBPyConnection, p: float) -> None:
    assert value(connection, M.normal_quantile("p"), p=p) == pytest.approx(stats.norm.isf(p), abs=4.5e-4)


@pytest.mark.parametrize("degrees", [2, 4, 9, 10])
@pytest.mark.parametrize(("p", "error"), [(0.5, 0.01), (0.05, 0.03), (0.001, 0.17), (1e-5, 1.01)])
def test_chi_squared_is_never_more_surprising_than_it_should_be(
    connection: duckdb.DuckDBPyConnection, degrees: int, p: float, error: float
) -> None:
    """The approximation gives p-values that are a little too great in the far tail: fewer alerts, not more."""
    z = value(connection, M.chi_squared_z("x", "n"), x=stats.chi2.isf(p, degrees), n=degrees)
    found = stats.norm.sf(z)
    assert p * 0.97 <= found <= p * (1 + error)


@pytest.mark.parametrize("degrees", [1, 4, 9, 10])
@pytest.mark.parametrize("p", [0.05, 0.01])
def test_critical_values_of_chi_squared(connection: duckdb.DuckDBPyConnection, degrees: int, p: float) -> None:
    found = value(connection, M.chi_squared_value(M.normal_quantile("p"), "n"), p=p, n=degrees)
    assert found == pytest.approx(stats.chi2.isf(p, degrees), rel=0.03)


@pytest.mark.parametrize("degrees", [7, 10])
@pytest.mark.parametrize(("p", "error"), [(0.1, 0.01), (0.001, 0.04), (1e-5, 0.15)])
def test_students_t_is_never_more_surprising_than_it_should_be(
    connection: duckdb.DuckDBPyConnection, degrees: int, p: float, error: float
) -> None:
    t = stats.t.isf(p, degrees)
    for sign in (1, -1):
        z = value(connection, M.student_z("t", "n"), t=sign * t, n=degrees)
        assert p * 0.99 <= stats.norm.sf(sign * z) <= p * (1 + error)

"""BG/NBD and Gamma-Gamma against published fits, another implementation, and cases at their ends."""

from itertools import pairwise
from pathlib import Path

import lifetimes
import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import betaln

from benchmarks.expected_sales import simulate_orders
from macros.python.expected_sales import expected_orders, fit_orders, fit_spend, probability_alive

CDNOW = Path(lifetimes.__path__[0]) / "datasets" / "cdnow_customers_summary_with_transactions.csv"
PUBLISHED = (0.243, 4.414, 0.793, 2.426)


@pytest.fixture(scope="module")
def cdnow() -> pd.DataFrame:
    """The CDNOW sample, 2,357 customers, in weeks: x repeats, t_x recency, T age, zbar mean repeat sales."""
    sample = pd.read_csv(CDNOW)
    assert len(sample) == 2357
    return sample


def ones(sample: pd.DataFrame) -> np.ndarray:
    return np.ones(len(sample))


def test_orders_of_cdnow_give_the_published_parameters(cdnow: pd.DataFrame) -> None:
    """Fader, Hardie and Lee (2005), table 2."""
    fit = fit_orders(cdnow["x"], cdnow["t_x"], cdnow["T"], ones(cdnow))
    assert fit.failure is None
    assert fit.parameters == pytest.approx(PUBLISHED, abs=0.001)
    assert fit.log_likelihood == pytest.approx(-9582.4, abs=0.05)


def test_spend_of_cdnow_gives_the_published_parameters(cdnow: pd.DataFrame) -> None:
    """Fader and Hardie (2013): p 6.25, q 3.74, gamma 15.44, of the 946 customers who came back."""
    fit = fit_spend(cdnow["x"], cdnow["zbar"], ones(cdnow))
    assert fit.failure is None
    assert fit.customers == 946
    assert fit.parameters == pytest.approx((6.25, 3.74, 15.44), abs=0.01)


def test_customers_who_are_alike_may_be_counted_together(cdnow: pd.DataFrame) -> None:
    alone = fit_orders(cdnow["x"], cdnow["t_x"], cdnow["T"], ones(cdnow))
    groups = cdnow.groupby(["x", "t_x", "T"]).size().reset_index(name="customers")
    assert len(groups) < len(cdnow) / 1.5
    together = fit_orders(groups["x"], groups["t_x"], groups["T"], groups["customers"])
    assert together.parameters == pytest.approx(alone.parameters, rel=1e-5)
    assert together.customers == 2357


def test_expectations_are_those_of_another_implementation() -> None:
    other = lifetimes.BetaGeoFitter()
    other.params_ = pd.Series(dict(zip(("r", "alpha", "a", "b"), PUBLISHED, strict=True)))
    shares = {0: (0.0,)}
    grid = [
        (x, share * age, age)
        for x in (0, 1, 2, 7, 29)
        for age in (0.5, 10, 38.86, 78)
        for share in shares.get(x, (0.1, 0.6, 1.0))
    ]
    x, t_x, age = np.array(grid, dtype=float).T
    for weeks in (1, 39, 200):
        assert expected_orders(PUBLISHED, x, t_x, age, weeks) == pytest.approx(
            other.conditional_expected_number_of_purchases_up_to_time(weeks, x, t_x, age), rel=1e-9
        )
    assert probability_alive(PUBLISHED, x, t_x, age) == pytest.approx(
        other.conditional_probability_alive(x, t_x, age), rel=1e-12
    )


@pytest.mark.parametrize("parameters", [(1.4, 1.38, 0.2, 278.0), (20.0, 0.5, 0.3, 0.5), (0.05, 0.001, 3.0, 0.2)])
@pytest.mark.parametrize(("repeats", "age"), [(0, 0.0), (0, 52.0), (5, 40.0), (300, 52.0), (10_000, 52.0)])
def test_expectations_hold_at_the_ends_of_parameters(parameters: tuple[float, ...], repeats: int, age: float) -> None:
    """Against the mean of (1 - (1 + p t / (alpha + T))^-(r + x)) / p over p ~ beta(a, b + x), integrated bluntly."""
    r, alpha, a, b = parameters
    shape = b + repeats

    def integrand(root: float) -> float:
        # p = root^(1 / a) takes the pole of the density away.
        p = root ** (1 / a)
        orders = -np.expm1(-(r + repeats) * np.log1p(p * 26 / (alpha + age))) / p
        return float(np.exp((shape - 1) * np.log1p(-p) - betaln(a, shape)) * orders / a)

    cuts = [0.0, *(np.geomspace(1e-6, 1, 60) * min(1, 60 * max(a, 1) / shape) ** a), 1.0]
    mean = sum(quad(integrand, low, high, epsabs=0)[0] for low, high in pairwise(cuts) if low < high)
    known = np.array([[repeats], [age if repeats else 0], [age]], dtype=float)
    assert expected_orders(parameters, *known, 26)[0] == pytest.approx(
        mean * probability_alive(parameters, *known)[0], rel=1e-7
    )


def test_huge_numbers_of_repeats_stay_finite() -> None:
    x, t_x, age = np.array([[1e4, 52, 52], [1e4, 51.9, 52], [1e4, 1, 52], [1e5, 52, 52]]).T
    alive = probability_alive(PUBLISHED, x, t_x, age)
    orders = expected_orders(PUBLISHED, x, t_x, age, 26)
    assert np.isfinite(alive).all()
    assert np.isfinite(orders).all()
    # Ten thousand orders in 52 weeks go on at their rate, a few of such customers having stopped.
    assert alive[0] == pytest.approx(1, abs=1e-3)
    assert 0.7 * 5000 < orders[0] < 5000
    assert (alive[2], orders[2]) == (0, 0)


@pytest.mark.parametrize("time", [0.5, 26.0])
def test_nothing_happens_at_the_gap_of_the_closed_form(time: float) -> None:
    """The closed form is 0 / 0 where a is 1."""
    x, t_x, age = np.array([[0, 0, 10], [3, 9, 10]], dtype=float).T
    below, at, above = (expected_orders((0.5, 5, a, 3), x, t_x, age, time) for a in (1 - 1e-7, 1, 1 + 1e-7))
    assert at == pytest.approx((below + above) / 2, rel=1e-9)


def test_expectations_are_means_over_simulated_lives() -> None:
    """Lives as the model tells them, kept where what is known came out: 2 repeats in 10 weeks, the last in the 7th."""
    r, alpha, a, b = 0.8, 4.0, 0.9, 2.5
    random = np.random.default_rng(7)
    lives = 400_000
    rate = random.gamma(r, 1 / alpha, lives)
    stop = random.beta(a, b, lives)
    stops_after = random.geometric(stop)
    times = np.cumsum(random.exponential(1, (lives, 12)) / rate[:, None], axis=1)
    # A customer may stop after every repeat order, never after the first order.
    ordered = np.arange(1, 13)[None, :] <= stops_after[:, None]
    seen = ordered & (times <= 10)
    last = np.max(np.where(seen, times, 0), axis=1)
    alike = (seen.sum(axis=1) == 2) & (last > 6) & (last <= 7)
    to_come = (ordered & (times > 10) & (times <= 18))[alike].sum(axis=1)
    expected = expected_orders((r, alpha, a, b), *np.array([[2.0], [6.5], [10.0]]), 8)
    assert alike.sum() > 3000
    assert to_come.mean() == pytest.approx(expected[0], abs=4 * to_come.std() / np.sqrt(alike.sum()))


def test_fits_that_cannot_be_made_say_why() -> None:
    few = fit_orders(np.array([1, 2]), np.array([3.0, 4.0]), np.array([5.0, 5.0]), np.array([40, 50]))
    assert (few.parameters, few.customers) == ((), 90)
    assert few.failure == "fewer than 100 customers with repeat orders"
    none = fit_spend(np.array([0, 3]), np.array([0.0, -5.0]), np.array([900, 900]))
    assert none.failure == "fewer than 100 customers with repeat orders"
    # All customers are one customer: nothing says how rates differ, and the likelihood grows for ever.
    same = fit_orders(np.array([5]), np.array([9.0]), np.array([10.0]), np.array([1000]))
    assert same.parameters == ()
    assert same.failure is not None
    assert same.failure.startswith("the likelihood has no maximum")


def test_where_nobody_stops_rates_alone_are_left() -> None:
    """NBD (Ehrenberg, 1959): rates are gamma distributed, and (r + x) / (alpha + T) orders a week are expected."""
    x, t_x, age = simulate_orders((1.4, 2.0, 1e-9, 1.0), 5_000)
    fit = fit_orders(x, t_x, age, np.ones(len(x)))
    assert fit.failure is None
    assert fit.note == "nobody is seen to stop ordering"
    r, alpha, *_ = fit.parameters
    assert (r, alpha) == pytest.approx((1.4, 2.0), rel=0.1)
    assert expected_orders(fit.parameters, x, t_x, age, 26) == pytest.approx((r + x) / (alpha + age) * 26, rel=0.01)


def test_fit_recovers_the_parameters_that_made_the_customers() -> None:
    true = (0.7, 6.0, 0.6, 2.0)
    x, t_x, age = simulate_orders(true, 40_000)
    fit = fit_orders(x, t_x, age, np.ones(len(x)))
    assert fit.parameters == pytest.approx(true, rel=0.1)

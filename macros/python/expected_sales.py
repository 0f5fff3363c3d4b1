"""Expected orders and sales of customers, from what they ordered so far: BG/NBD and Gamma-Gamma.

BG/NBD (Fader, Hardie and Lee, Marketing Science 24, 2005): while active, a customer orders at a rate of their own,
gamma distributed over customers (r, alpha); after every order they stop for good with a probability of their own,
beta distributed (a, b). Gamma-Gamma (Fader and Hardie, "The Gamma-Gamma Model of Monetary Value", 2013): the sales of
an order are gamma distributed with shape p and a rate of each customer, itself gamma distributed (q, gamma).

What is known of a customer: the number of orders after the first (repeats), the time from the first order to the last
(recency) and to today (age), and their mean sales per repeat order. Everything is computed in logarithms, so that
customers with no repeat and with ten thousand are no special cases.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaln, hyp2f1

Floats = np.ndarray[Any, np.dtype[np.float64]]
# Value and gradient of what is minimised.
Objective = Callable[[Floats], tuple[float, Floats]]

# Fewer customers who came back say next to nothing of six or seven parameters.
FEWEST_REPEATERS = 100
# Parameters are looked for between e^-10 and e^10; one that ends there has no maximum.
LIMIT = 10.0


@dataclass(frozen=True)
class Fit:
    """The most likely parameters of a model, or why there are none.

    Attributes:
        parameters: in the order of the model's names; empty where the fit failed.
        log_likelihood: of all customers together, at the parameters.
        customers: how many customers were fitted.
        failure: why there are no parameters; None where there are.
    """

    parameters: tuple[float, ...]
    log_likelihood: float | None
    customers: int
    failure: str | None = None


class _Grouped:
    """A column with its different values, so that costly functions are called once for each."""

    def __init__(self, values: Floats) -> None:
        self.unique, self.place = np.unique(np.asarray(values, dtype=float), return_inverse=True)

    def each(self, of_unique: Floats) -> Floats:
        return of_unique[self.place]

    def sums(self, weights: Floats) -> Floats:
        return np.bincount(self.place, weights=weights, minlength=len(self.unique))


def fit_orders(repeats: Floats, recency: Floats, age: Floats, customers: Floats) -> Fit:
    """Fit BG/NBD: r, alpha, a, b by maximum likelihood (the paper's equation 6), with analytic derivatives.

    Args:
        repeats: orders after the first, one element per group of customers who are alike.
        recency: time from the first order to the last.
        age: time from the first order to today, in the same unit, which alpha has too.
        customers: how many customers the group has.
    """
    weight = np.asarray(customers, dtype=float)
    total = weight.sum()
    few = _too_few(weight[np.asarray(repeats) > 0].sum(), total)
    if few:
        return few
    x, t_x, t = _Grouped(repeats), _Grouped(recency), _Grouped(age)
    again = x.each(x.unique) > 0
    # The mean of whatever depends on the number of repeats alone is a sum over its few different values.
    weight_of_x = x.sums(weight)

    def objective(logs: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = np.exp(logs)
        counted = x.unique
        # ln A1 + ln A2, where r ln alpha is a constant.
        shared = (
            gammaln(r + counted) - gammaln(r) + r * np.log(alpha)
            + gammaln(a + b) + gammaln(b + counted) - gammaln(b) - gammaln(a + b + counted)
        )  # fmt: skip
        log_age, log_recency = np.log(alpha + t.unique), np.log(alpha + t_x.unique)
        shape = r + x.each(counted)
        still = -shape * t.each(log_age)
        log_stop = np.log(a) - np.log(np.maximum(b + counted - 1, 1e-300))
        stopped = np.where(again, x.each(log_stop) - shape * t_x.each(log_recency), -np.inf)
        value = weight_of_x @ shared + weight @ np.logaddexp(still, stopped)

        # The weight of "stopped after the last order" among the two ways to have seen this.
        share = np.where(again, expit(np.where(again, stopped, 0.0) - still), 0.0)
        mean_log = (1 - share) * t.each(log_age) + share * t_x.each(log_recency)
        inverse = (1 - share) * t.each(1 / (alpha + t.unique)) + share * t_x.each(1 / (alpha + t_x.unique))
        share_of_x = x.sums(weight * share)
        by_r = weight_of_x @ (digamma(r + counted) - digamma(r) + np.log(alpha)) - weight @ mean_log
        by_alpha = total * r / alpha - weight @ (shape * inverse)
        by_a = weight_of_x @ (digamma(a + b) - digamma(a + b + counted)) + share_of_x.sum() / a
        by_b = weight_of_x @ (digamma(a + b) + digamma(b + counted) - digamma(b) - digamma(a + b + counted)) - np.sum(
            share_of_x[counted > 0] / (b + counted[counted > 0] - 1)
        )
        gradient = np.array([by_r * r, by_alpha * alpha, by_a * a, by_b * b])
        return -value / total, -gradient / total

    mean_age = max(float(weight @ age) / total, 1e-6)
    return _maximise(objective, [1.0, mean_age, 1.0, 1.0], ["r", "alpha", "a", "b"], total)


def fit_spend(repeats: Floats, mean_sales: Floats, customers: Floats) -> Fit:
    """Fit Gamma-Gamma: p, q, gamma by maximum likelihood (the note's equation 1a).

    Only customers with repeats and a positive mean are fitted: a gamma distribution knows no others.

    Args:
        repeats: orders after the first, one element per group of customers who are alike.
        mean_sales: their mean sales per repeat order; gamma has this unit.
        customers: how many customers the group has.
    """
    x, mean, weight = (np.asarray(column, dtype=float) for column in (repeats, mean_sales, customers))
    spends = (x > 0) & (mean > 0)
    x, mean, weight = x[spends], mean[spends], weight[spends]
    total = weight.sum()
    few = _too_few(total, total)
    if few:
        return few
    grouped, log_mean = _Grouped(x), np.log(mean)
    weight_of_x = grouped.sums(weight)
    sum_of_x_log_mean, sum_of_log_mean = weight @ (x * log_mean), weight @ log_mean

    def objective(logs: Floats) -> tuple[float, Floats]:
        p, q, gamma = np.exp(logs)
        counted = grouped.unique
        log_spent = np.log(gamma + x * mean)
        weighted_shape = weight * (p * x + q)
        value = (
            weight_of_x @ (gammaln(p * counted + q) - gammaln(p * counted) + p * counted * np.log(counted))
            + total * (q * np.log(gamma) - gammaln(q))
            + p * sum_of_x_log_mean - sum_of_log_mean
            - weighted_shape @ log_spent
        )  # fmt: skip
        by_p = (
            weight_of_x @ (counted * (digamma(p * counted + q) - digamma(p * counted) + np.log(counted)))
            + sum_of_x_log_mean
            - (weight * x) @ log_spent
        )
        by_q = weight_of_x @ digamma(p * counted + q) + total * (np.log(gamma) - digamma(q)) - weight @ log_spent
        by_gamma = total * q / gamma - weighted_shape @ (1 / (gamma + x * mean))
        gradient = np.array([by_p * p, by_q * q, by_gamma * gamma])
        return -value / total, -gradient / total

    mean_of_all = float(weight @ mean) / total
    return _maximise(objective, [1.0, 2.0, mean_of_all], ["p", "q", "gamma"], total)


def probability_alive(parameters: Sequence[float], repeats: Floats, recency: Floats, age: Floats) -> Floats:
    """The probability that customers still order; 1 without a repeat, for nobody stops before their first order.

    Batislam, Denizel and Filiztekin, International Journal of Research in Marketing 24 (2007).
    """
    r, alpha, a, b = parameters
    x, t_x, t = (np.asarray(column, dtype=float) for column in (repeats, recency, age))
    stopped = np.log(a) - np.log(np.maximum(b + x - 1, 1e-300)) + (r + x) * np.log((alpha + t) / (alpha + t_x))
    return np.where(x > 0, expit(-stopped), 1.0)


def expected_orders(parameters: Sequence[float], repeats: Floats, recency: Floats, age: Floats, time: float) -> Floats:
    """The orders that customers are expected to place in the next `time`.

    The paper's equation 10 takes a difference that vanishes for a = 1 and loses its digits for many repeats. The same
    number is the probability to be alive times the integral of the expected rate of orders of somebody alive,

        (r + x) * integral from 0 to ln(1 + time / (alpha + age)) of
            e^((1 - a) u) * 2F1(a + b - r - 1, a; a + b + x; 1 - e^-u) du,

    the expectation of lambda * e^(-lambda p s) over the posterior of (lambda, p), with s = (alpha + age)(e^u - 1). All
    its terms are positive; Gauss-Legendre quadrature takes it to the last digits.
    """
    r, alpha, a, b = parameters
    alike, place = np.unique(np.column_stack([repeats, age]).astype(float), axis=0, return_inverse=True)
    x, t = alike.T
    nodes, weights = np.polynomial.legendre.leggauss(24)
    half = np.log1p(time / (alpha + t)) / 2
    rate = np.zeros_like(x)
    for node, weight in zip(nodes, weights, strict=True):
        u = half * (1 + node)
        rate += weight * np.exp((1 - a) * u) * hyp2f1(a + b - r - 1, a, a + b + x, -np.expm1(-u))
    of_the_living = (r + x) * half * rate
    return probability_alive(parameters, repeats, recency, age) * of_the_living[place.reshape(-1)]


def _too_few(repeaters: float, customers: float) -> Fit | None:
    if repeaters < FEWEST_REPEATERS:
        return Fit((), None, int(customers), f"fewer than {FEWEST_REPEATERS} customers with repeat orders")
    return None


def _maximise(objective: Objective, start: Sequence[float], names: Sequence[str], customers: float) -> Fit:
    """The parameters that maximise a likelihood given as the mean negative logarithm, of their logarithms."""
    with np.errstate(all="ignore"):
        found = minimize(
            objective,
            np.clip(np.log(start), -LIMIT, LIMIT),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-LIMIT, LIMIT)] * len(start),
            options={"maxiter": 1000, "ftol": 1e-15, "gtol": 1e-8},
        )
        slope = objective(found.x)[1]
    at_limit = [name for name, log in zip(names, found.x, strict=True) if abs(log) > LIMIT - 1e-6]
    failure = None
    if not np.isfinite(found.fun):
        failure = "the likelihood is not finite"
    elif at_limit:
        failure = f"the likelihood has no maximum: {' and '.join(at_limit)} without limit"
    elif np.abs(slope).max() > 1e-5:
        failure = f"no convergence after {found.nit} steps"
    if failure:
        return Fit((), None, int(customers), failure)
    return Fit(tuple(float(value) for value in np.exp(found.x)), -float(found.fun) * customers, int(customers))

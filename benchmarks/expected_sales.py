"""Measures the fits of expected sales and what is expected of every customer, at a million customers.

python -m benchmarks.expected_sales [--customers N]

Customers are generated as the models tell: rates, probabilities to stop and means of their own, over two years of days.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import duckdb
import numpy as np
from rich.console import Console
from rich.table import Table

from macros.python.expected_sales import expected_orders, fit_orders, fit_spend, probability_alive

Floats = np.ndarray[Any, np.dtype[np.float64]]

ORDERS = {"r": 0.7, "alpha": 6.0, "a": 0.6, "b": 2.0}
SPEND = {"p": 6.25, "q": 3.74, "gamma": 15.44}
DAYS_PER_WEEK = 7


def simulate_orders(parameters: Sequence[float], customers: int) -> tuple[Floats, Floats, Floats]:
    """Repeats, recency and age, in weeks, of customers who live as BG/NBD tells, for 30 to 730 days."""
    r, alpha, a, b = parameters
    random = np.random.default_rng(3)
    rate, stop = random.gamma(r, 1 / alpha, customers), random.beta(a, b, customers)
    age = random.integers(30, 730, customers) / DAYS_PER_WEEK
    repeats, recency, now = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    active = np.arange(customers)
    while len(active):
        now[active] += random.exponential(1, len(active)) / rate[active]
        active = active[now[active] <= age[active]]
        repeats[active] += 1
        recency[active] = now[active]
        active = active[random.random(len(active)) >= stop[active]]
    return repeats, recency, age


def simulate_spend(parameters: Sequence[float], repeats: Floats) -> Floats:
    """The mean sales per repeat order of customers who spend as Gamma-Gamma tells; 0 without a repeat."""
    p, q, gamma = parameters
    random = np.random.default_rng(4)
    rate = random.gamma(q, 1 / gamma, len(repeats))
    return np.where(repeats > 0, random.gamma(np.maximum(p * repeats, 1e-9)) / rate / np.maximum(repeats, 1), 0)


def main() -> int:
    """Measure and print; returns 1 where a fit fails or misses what made the customers by more than 5 %."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.expected_sales")
    parser.add_argument("--customers", type=int, default=1_000_000, metavar="N")
    customers = parser.parse_args().customers
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)

    repeats, recency, age = simulate_orders(list(ORDERS.values()), customers)
    mean_sales = simulate_spend(list(SPEND.values()), repeats)
    table = Table("step", "wall s", "CPU s", "result", title=f"{customers:,} customers")

    def measured(step: str, work: Callable[[], Any], tell: Callable[[Any], str]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        seconds = time.perf_counter() - wall, time.process_time() - cpu
        table.add_row(step, *(f"{value:.1f}" for value in seconds), tell(result))
        return result

    def group() -> list[Floats]:
        known = {
            "repeats": repeats.astype(int),
            "recency_days": np.floor(recency * DAYS_PER_WEEK).astype(int),
            "age_days": np.round(age * DAYS_PER_WEEK).astype(int),
        }
        with duckdb.connect() as connection:
            connection.register("known", known)
            patterns = connection.sql("select *, count(*) as customers from known group by all order by all")
            return [column.astype(float) for column in patterns.fetchnumpy().values()]

    def expect() -> Floats:
        parameters = orders.parameters
        alive = probability_alive(parameters, x, t_x, t)
        return np.column_stack([alive, expected_orders(parameters, x, t_x, t, 180 / DAYS_PER_WEEK)])

    x, days, age_days, weight = measured("group", group, lambda found: f"{len(found[0]):,} patterns")
    t_x, t = days / DAYS_PER_WEEK, age_days / DAYS_PER_WEEK
    orders = measured("fit orders", lambda: fit_orders(x, t_x, t, weight), lambda fit: _tell(ORDERS, fit.parameters))
    spend = measured(
        "fit spend",
        lambda: fit_spend(repeats, mean_sales, np.ones(customers)),
        lambda fit: _tell(SPEND, fit.parameters),
    )
    expected = measured("expect", expect, lambda found: f"{weight @ found[:, 1]:,.0f} orders in 180 days")
    console.print(table)
    found = [*orders.parameters, *spend.parameters]
    true = [*ORDERS.values(), *SPEND.values()]
    is_right = len(found) == len(true) and np.allclose(found, true, rtol=0.05) and bool(np.isfinite(expected).all())
    return 0 if is_right else 1


def _tell(names: dict[str, float], parameters: Sequence[float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in zip(names, parameters, strict=True)) or "failed"


if __name__ == "__main__":
    sys.exit(main())

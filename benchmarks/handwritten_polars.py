"""Features and segments of all customers at the end of one day, by polars' streaming engine.

The same as in handwritten_days.sql and handwritten.sql, from the same files.

python -m benchmarks.handwritten_polars days FOLDER FIRST LAST
python -m benchmarks.handwritten_polars features FOLDER DAY

Both run in the folder of the company's files. FOLDER keeps the customer days, and features and segments of the day.
"""

import argparse
from datetime import date, timedelta
from pathlib import Path

import polars as pl

WINDOWS = (7, 30, 90, 365)
SUMS = ("orders", "units", "net_cents", "discount_cents", "coupon_cents", "private_label_cents")
SCORES = ("recency", "frequency", "monetary")
# Folders with a file per run.
DAYS, CATEGORY_DAYS = "customer_days", "customer_category_days"


def write_days(files: Path, folder: Path, first: date, last: date) -> None:
    """Append the customer days of some days, from the lines."""
    lines = lines_of(files).filter(pl.col("ordered_at").ge(first), pl.col("ordered_at").lt(last + timedelta(days=1)))
    lines = lines.join(products_of(files), on="product_id", how="left").select(
        "customer_id",
        "order_id",
        pl.col("ordered_at").dt.date().alias("activity_date"),
        "category_number",
        "units",
        *(cents(name).alias(f"{name}_cents") for name in ("net", "discount", "coupon")),
        pl.when("is_private_label").then(cents("net")).otherwise(0).alias("private_label_cents"),
    )
    orders = lines.group_by("customer_id", "activity_date", "order_id").agg(pl.col(SUMS[1:]).sum())
    days = orders.group_by("customer_id", "activity_date").agg(
        pl.len().cast(pl.Int64).alias("orders"), pl.col(SUMS[1:]).sum()
    )
    tastes = lines.filter(pl.col("category_number").is_not_null())
    tastes = tastes.group_by("customer_id", "activity_date", "category_number").agg(pl.col("net_cents").sum())
    for name, frame in ((DAYS, days), (CATEGORY_DAYS, tastes)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        frame.sink_parquet(folder / name / f"{last}.parquet", compression="lz4", engine="streaming")


def lines_of(files: Path) -> pl.LazyFrame:
    """The order lines."""
    return pl.scan_parquet(files / "transactions.parquet")


def cents(amount: str) -> pl.Expr:
    """An amount in whole cents."""
    return (pl.col(f"{amount}_amount").cast(pl.Float64) * 100).round().cast(pl.Int64)


def categories_of(files: Path) -> pl.LazyFrame:
    """Categories, numbered in the order of their names."""
    names = pl.scan_parquet(files / "products.parquet").select("category").unique().sort("category")
    return names.with_row_index("category_number", offset=1).with_columns(pl.col("category_number").cast(pl.UInt8))


def products_of(files: Path) -> pl.LazyFrame:
    """What a line says of its product."""
    products = pl.scan_parquet(files / "products.parquet").join(categories_of(files), on="category", how="left")
    return products.select("product_id", "category_number", "is_private_label")


def write_features(files: Path, folder: Path, day: date) -> None:
    """Compute features and segments from the stored customer days."""
    days = pl.scan_parquet(folder / DAYS / "*.parquet").filter(pl.col("activity_date") <= day)
    tastes = pl.scan_parquet(folder / CATEGORY_DAYS / "*.parquet").filter(pl.col("activity_date") <= day)
    activity = [window_of(days, day, length) for length in WINDOWS]
    parts = pl.collect_all(
        [lifetime_of(days), *activity, gaps_of(days, day), tastes_of(tastes, day)], engine="streaming"
    )
    customers = pl.scan_parquet(files / "customers.parquet").filter(
        pl.col("closed_date").is_null() | pl.col("closed_date").gt(day)
    )
    for part in parts:
        customers = customers.join(part.lazy(), on="customer_id", how="left")
    wide = customers.join(categories_of(files), on="category_number", how="left").collect(engine="streaming")
    features = features_of(wide.lazy(), cut_points(wide, day), day).collect(engine="streaming")
    features.write_parquet(folder / "features.parquet", compression="lz4")
    segments_of(features.lazy()).sink_parquet(folder / "segments.parquet", compression="lz4", engine="streaming")


def lifetime_of(days: pl.LazyFrame) -> pl.LazyFrame:
    """All orders of each customer."""
    return days.group_by("customer_id").agg(
        pl.col("activity_date").min().alias("first_order_date"),
        pl.col("activity_date").max().alias("last_order_date"),
        pl.col("orders").sum().alias("orders_lifetime"),
        pl.col("net_cents").sum().alias("net_cents_lifetime"),
    )


def window_of(days: pl.LazyFrame, day: date, length: int) -> pl.LazyFrame:
    """Orders of each customer in the last days."""
    sums = SUMS if length == max(WINDOWS) else SUMS[:4]
    within = days.filter(pl.col("activity_date") > day - timedelta(days=length))
    return within.group_by("customer_id").agg(
        *(pl.col(name).sum().alias(f"{name}_{length}d") for name in sums),
        pl.len().cast(pl.Int64).alias(f"active_days_{length}d"),
    )


def gaps_of(days: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """The days between each pair of consecutive order days."""
    ordered = days.select("customer_id", "activity_date").sort("customer_id", "activity_date")
    between = (pl.col("activity_date") - pl.col("activity_date").shift()).dt.total_days()
    gaps = ordered.with_columns(
        pl.when(pl.col("customer_id") == pl.col("customer_id").shift()).then(between).alias("between")
    ).filter(pl.col("between").is_not_null())
    recent = pl.col("activity_date") > day - timedelta(days=90)
    return gaps.group_by("customer_id").agg(
        pl.col("between").median().alias("median_days_between_orders"),
        pl.col("between").filter(recent).max().alias("longest_pause_90d"),
    )


def tastes_of(category_days: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """The category with most net sales, of equals the first: both in one number."""
    within = category_days.filter(pl.col("activity_date") > day - timedelta(days=365))
    totals = within.group_by("customer_id", "category_number").agg(pl.col("net_cents").sum())
    top = totals.group_by("customer_id").agg(
        pl.len().cast(pl.Int64).alias("categories_365d"),
        (pl.col("net_cents") * 256 + 255 - pl.col("category_number").cast(pl.Int64)).max().alias("top"),
    )
    return top.select(
        "customer_id",
        "categories_365d",
        (255 - pl.col("top") % 256).cast(pl.UInt8).alias("category_number"),
        (pl.col("top") // 256).alias("top_cents"),
    )


def cut_points(wide: pl.DataFrame, day: date) -> dict[str, list[float]]:
    """The values that part buyers into fifths, by score."""
    buyers = wide.filter(pl.col("orders_365d") > 0).select(*(value.alias(name) for name, value in scored(day).items()))
    fifths = (0.2, 0.4, 0.6, 0.8)
    return {name: [buyers[name].quantile(part, "equiprobable") for part in fifths] for name in SCORES}


def scored(day: date) -> dict[str, pl.Expr]:
    """What each score ranks."""
    return {
        "recency": (pl.col("last_order_date") - day).dt.total_days(),
        "frequency": pl.col("orders_365d"),
        "monetary": pl.col("net_cents_365d"),
    }


def features_of(wide: pl.LazyFrame, cuts: dict[str, list[float]], day: date) -> pl.LazyFrame:
    """Name and complete the features, as customer_features has them."""
    seen = pl.min_horizontal("first_seen_date", "first_order_date")
    net = pl.col("net_cents_365d")
    nothing, null = pl.lit(0, pl.Int64), pl.lit(None)
    columns: dict[str, pl.Expr] = {
        "as_of_date": pl.lit(day),
        "customer_id": pl.col("customer_id"),
        "first_seen_date": seen,
        "first_order_date": pl.col("first_order_date"),
        "last_order_date": pl.col("last_order_date"),
        "last_response_date": null.cast(pl.Date),
        "tenure_days": days_since(seen, day),
        "days_since_last_order": days_since(pl.col("last_order_date"), day),
        "days_since_first_order": days_since(pl.col("first_order_date"), day),
        "days_since_last_response": null.cast(pl.Int64),
        "orders_lifetime": pl.col("orders_lifetime").fill_null(0),
        "net_sales_lifetime": amount(pl.col("net_cents_lifetime").fill_null(0)),
    }
    for length in WINDOWS:
        columns |= {
            f"orders_{length}d": pl.col(f"orders_{length}d").fill_null(0),
            f"returns_{length}d": nothing,
            f"units_{length}d": pl.col(f"units_{length}d").fill_null(0),
            f"net_sales_{length}d": amount(pl.col(f"net_cents_{length}d").fill_null(0)),
            f"discounts_{length}d": amount(pl.col(f"discount_cents_{length}d").fill_null(0)),
            f"active_days_{length}d": pl.col(f"active_days_{length}d").fill_null(0),
        }
    columns |= {
        "average_order_value_365d": share(amount(net), pl.col("orders_365d")),
        "discount_share_365d": share(pl.col("discount_cents_365d"), net + pl.col("discount_cents_365d")),
        "coupon_share_365d": share(pl.col("coupon_cents_365d"), net),
        "private_label_share_365d": share(pl.col("private_label_cents_365d"), net),
        "return_share_365d": share(nothing, net),
        "median_days_between_orders": pl.col("median_days_between_orders"),
        "longest_pause_90d": pl.col("longest_pause_90d"),
        "categories_365d": pl.col("categories_365d").fill_null(0),
        "top_category_365d": pl.col("category"),
        "top_category_share_365d": share(pl.col("top_cents"), net),
        # No campaign was ever delivered, so nobody knows of contacts.
        "contacts_365d": null.cast(pl.Int64),
        "responses_365d": null.cast(pl.Int64),
    }
    for name, value in scored(day).items():
        fifth = pl.sum_horizontal(*((value > cut).cast(pl.Int64) for cut in cuts[name])) + 1
        columns[f"{name}_score"] = pl.when(pl.col("orders_365d") > 0).then(fifth)
    known = ("customer_type", "age_band", "income_band", "household_size", "household_composition")
    columns |= {name: pl.col(name) for name in known}
    columns |= {name: null.cast(pl.String) for name in ("home_ownership", "marital_status", "kids_count")}
    return wide.filter(seen <= day).select(**columns)


def amount(cents: pl.Expr) -> pl.Expr:
    """An amount from whole cents. polars multiplies by 1 / 100 where it divides by 100, so the last bit is rounded."""
    return (cents / 100).round(2)


def days_since(when: pl.Expr, day: date) -> pl.Expr:
    """Whole days from a date to the day."""
    return (pl.lit(day) - when).dt.total_days()


def share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """A part of a whole, null where there is nothing."""
    return pl.when(whole != 0).then(part / whole)


def segments_of(features: pl.LazyFrame) -> pl.LazyFrame:
    """The segment of each customer in each segmentation: the rules of models/segmentations/*.yml, without history."""
    column = pl.col
    kids, adults = column("household_composition"), column("age_band")
    singles, couples, young = kids == "1 Adult No Kids", kids == "2 Adults No Kids", adults.is_in(["19-24", "25-34"])
    discounts = column("discount_share_365d")
    p20, p80 = (discounts.quantile(part, "equiprobable") for part in (0.2, 0.8))
    return features.select(
        "customer_id",
        seg_lifecycle=first_of(
            (column("orders_lifetime") == 0, "prospect"),
            (column("days_since_last_order") > 90, "churned"),
            (column("days_since_last_order") > 31, "at_risk"),
            (column("days_since_first_order") <= 60, "new"),
            (column("longest_pause_90d") > 51, "reactivated"),
            (column("active_days_90d") >= 13, "loyal"),
            otherwise="active",
        ),
        seg_value=by_scores("frequency_score"),
        seg_household=first_of(
            (kids.is_in(["1 Adult Kids", "2 Adults Kids"]), "families"),
            (adults == "65+", "seniors"),
            (singles & young, "young_singles"),
            (couples & young, "young_couples"),
            (singles, "singles"),
            (couples, "couples"),
            otherwise="unknown",
        ),
        seg_deals=first_of(
            (column("responses_365d") >= 2, "coupon_users"),
            (discounts >= p80, "deal_seekers"),
            (discounts <= p20, "full_price"),
            (discounts.is_not_null(), "balanced"),
            otherwise="no_purchases",
        ),
        seg_value_by_spend=by_scores("monetary_score"),
    )


def by_scores(worth: str) -> pl.Expr:
    """The segment by recency and by another score."""
    recency, other = pl.col("recency_score"), pl.col(worth)
    return first_of(
        ((recency == 5) & (other >= 4), "champions"),
        (recency.is_in([3, 4]) & (other >= 4), "loyal_customers"),
        ((recency >= 4) & other.is_in([2, 3]), "potential_loyalists"),
        ((recency == 5) & (other == 1), "recent_customers"),
        ((recency == 4) & (other == 1), "promising"),
        ((recency == 3) & (other == 3), "needs_attention"),
        ((recency == 3) & (other <= 2), "about_to_sleep"),
        ((recency <= 2) & (other == 5), "cannot_lose"),
        ((recency <= 2) & other.is_in([3, 4]), "at_risk"),
        ((recency <= 2) & (other <= 2), "hibernating"),
        otherwise="no_recent_orders",
    )


def first_of(*cases: tuple[pl.Expr, str], otherwise: str) -> pl.Expr:
    """The name of the first case that holds."""
    chosen = pl.lit(otherwise)
    for holds, name in reversed(cases):
        chosen = pl.when(holds).then(pl.lit(name)).otherwise(chosen)
    return chosen


def main() -> None:
    """Write customer days, or features and segments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.handwritten_polars")
    parser.add_argument("what", choices=("days", "features"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("dates", nargs="+", type=date.fromisoformat)
    given = parser.parse_args()
    write = {"days": write_days, "features": write_features}[given.what]
    write(Path.cwd(), given.folder, *given.dates)


if __name__ == "__main__":
    main()

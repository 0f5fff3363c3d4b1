"""A small shop for tests: 1,200 customers who order by a fixed formula, as CSV files of the `files` source."""

import csv
from collections.abc import Collection, Iterator
from datetime import date, timedelta
from functools import cache
from pathlib import Path

FIRST_ORDER_DATE = date(2024, 1, 1)
HISTORY_START = date(2024, 4, 1)
CUSTOMERS = 1200
CATEGORIES = ("bakery", "dairy", "fruit", "household")
PRODUCTS = 40
# The first of the days on which some of those who never order did after all, as is heard of late.
LATE_DAY = date(2024, 4, 6)
LATE_CUSTOMERS = [number for number in range(CUSTOMERS) if number % 30 == 29][:15]

# Frequent and rare customers, with and without contacts, and one who never orders.
TAKEN_OUT = (3, 4, 15, 29, 300, 777, 1199)


def shop_vars(folder: Path) -> dict[str, object]:
    """The vars that point a run to the shop, and have it build more than ten days in parts.

    They are the same for all tests, since dbt parses the project again where one changes.
    """
    return {
        "sources": ["files"],
        "files_folder": str(folder),
        "history_start": str(HISTORY_START),
        "chunk_customer_days": 10 * CUSTOMERS,
    }


def write_shop(folder: Path, last: date) -> None:
    """Write all files of the shop, with orders up to `last`."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(
        folder / "customers.csv", ["customer_id", "first_seen_date", "age_band", "household_composition"], _customers()
    )
    (folder / "transactions.csv").write_text(_transactions(last))
    _write(
        folder / "products.csv",
        ["product_id", "category", "is_private_label"],
        ([f"p{i}", CATEGORIES[i % len(CATEGORIES)], str(i % 5 == 0).lower()] for i in range(PRODUCTS)),
    )
    _write(
        folder / "campaigns.csv", ["campaign_id", "start_date"], [["spring", "2024-03-01"], ["summer", "2024-04-03"]]
    )
    _write(
        folder / "contacts.csv",
        ["customer_id", "campaign_id", "contact_date"],
        ([i, "spring", "2024-03-01"] for i in range(0, CUSTOMERS, 3)),
    )
    _write(
        folder / "responses.csv",
        ["customer_id", "campaign_id", "offer_id", "response_date"],
        ([i, "spring", "o1", f"2024-03-{2 + i % 20:02}"] for i in range(0, CUSTOMERS, 15)),
    )


def add_late_rows(folder: Path) -> int:
    """Deliver orders of LATE_DAY and the two days after it, one customer's of all three; returns how many lines."""
    file = folder / "transactions.csv"
    days = [str(LATE_DAY + timedelta(days=number)) for number in range(3)]
    late = [
        [str(customer), f"late-{customer}", f"{days[number % 3]} 10:00:00", "9.00", "p1", "1", "0", "0", "4.00"]
        for number, customer in enumerate(LATE_CUSTOMERS)
    ]
    late += [
        [str(LATE_CUSTOMERS[0]), f"late-{number}", f"{days[number]} 10:00:00", "5.00", "p1", "1", "0", "0", ""]
        for number in (1, 2)
    ]
    write_rows(file, [*read_rows(file), *late])
    return len(late)


def take_out(folder: Path, customers: Collection[int]) -> None:
    """Deliver nothing of some customers."""
    for table in ("customers", "transactions", "contacts", "responses"):
        header, *lines = read_rows(folder / f"{table}.csv")
        place = header.index("customer_id")
        kept = [line for line in lines if int(line[place]) not in customers]
        write_rows(folder / f"{table}.csv", [header, *kept])


def read_rows(file: Path) -> list[list[str]]:
    """The rows of a CSV file, its header first."""
    with file.open(newline="") as handle:
        return list(csv.reader(handle))


def write_rows(file: Path, rows: list[list[str]]) -> None:
    """Write a CSV file from its header and rows."""
    with file.open("w", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows(rows)


def _write(file: Path, header: list[str], rows) -> None:
    write_rows(file, [header, *([str(value) for value in row] for row in rows)])


def _customers():
    bands = ("19-24", "35-44", "65+", "")
    households = ("1 Adult No Kids", "2 Adults Kids", "2 Adults No Kids", "")
    for i in range(CUSTOMERS):
        yield [i, date(2023, 6, 1) + timedelta(days=i % 200), bands[i % 4], households[i % 7 % 4]]


@cache
def _transactions(last: date) -> str:
    """The file of all orders, which takes longest to make and of which tests ask for the same few."""
    header = "customer_id,order_id,ordered_at,net_amount,product_id,units,discount_amount,coupon_amount,cost_amount"
    return "".join(f"{line}\n" for line in [header, *_lines(last)])


def _lines(last: date) -> Iterator[str]:
    """Customer i orders every 2 to 24 days; every tenth stops or pauses; one in thirty never orders."""
    for day in range((last - FIRST_ORDER_DATE).days + 1):
        today = FIRST_ORDER_DATE + timedelta(days=day)
        for i in range(CUSTOMERS):
            if i % 30 == 29 or (day + 3 * i) % (2 + 7 * i % 23) != 0:
                continue
            if i % 10 == 3 and day > 40 + i % 60 and (i % 20 == 3 or day < 95):
                continue
            for line in range(1 + (i + day) % 3):
                product = (i * 5 + day + line * 11) % PRODUCTS
                cents = 100 + (i * 37 + day * 13 + line * 7) % 1900
                discount = cents // 5 if (i + product) % 4 == 0 else 0
                order = f"{today:%Y%m%d}-{i},{today} {8 + i % 12:02}:{day % 60:02}:00"
                sold = f"p{product}" if product else "discontinued"
                coupon = "0.50" if i % 15 == 0 and line == 0 else "0"
                # Costs of a third of the products are not known.
                cost = f"{cents * 6 // 10 / 100:.2f}" if product % 3 else ""
                yield f"{i},{order},{cents / 100:.2f},{sold},{1 + line % 2},{discount / 100:.2f},{coupon},{cost}"


def edited(file: Path, old: str, new: str) -> None:
    """Replace a text in a file that has it."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))

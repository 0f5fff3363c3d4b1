"""What segmentations decide, as a query over tables in DuckDB."""

from typing import Any

from macros.python.rules.compiled import decided_lines
from macros.python.rules.sql import DUCKDB


def decided(known: Any, name: str) -> str:
    """The query of a segmentation that the macros know; it reads customer_features and what rules compare with."""
    (found,) = (each for each in known.parsed if each.name == name)
    return "\n".join(decided_lines(found, DUCKDB))

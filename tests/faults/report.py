"""docs/reliability.md, made of what was seen."""

from collections.abc import Sequence
from pathlib import Path

from tests.faults.trial import Outcome


def write_report(file: Path, outcomes: Sequence[Outcome], seed: int, seconds: float) -> None:
    """Write the page."""
    file.write_text("TODO\n")

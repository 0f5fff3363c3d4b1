"""Published days that are built again with what is known now."""

from dataclasses import dataclass
from datetime import date

from flows.steps.rewrite import Rewrite
from flows.steps.window import Window


@dataclass(frozen=True)
class Restatement(Rewrite):
    """Published days that are rewritten.

    Attributes:
        first: the first day asked for.
        last: the last day asked for; days after it that are published follow from it and are built again too.
    """

    first: date
    last: date

    def environment(self, run_id: str, window: Window) -> dict[str, str]:
        """What ops_restatements has to know while the days of a window are rewritten."""
        return {
            "TESSERA_RESTATE_RUN": run_id,
            "TESSERA_RESTATE_REASON": self.reason,
            "TESSERA_RESTATE_FIRST": str(self.first),
            "TESSERA_RESTATE_LAST": str(self.last),
            "TESSERA_RESTATE_REBUILT_TO": str(window.last),
            "TESSERA_RESTATE_PUBLISHED": str(self.published),
        }

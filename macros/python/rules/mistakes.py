"""Mistakes in definitions: all are collected before anything stops."""

import difflib
import re
from collections.abc import Iterable


class WrongDefinitions(Exception):
    """Definitions break the rule language. The message has a line for each mistake: where, what, and what to do."""


class Mistakes:
    """The mistakes found so far."""

    def __init__(self) -> None:
        """None yet."""
        self.told: list[str] = []

    def add(self, where: str, what: str) -> None:
        """Note one, in a line; the same one again is noted once."""
        sentence = f"{where}: {what}" + ("" if what.endswith(("?", ".")) else ".")
        sentence = re.sub(r"\s*\n\s*", " ", sentence)
        if sentence not in self.told:
            self.told.append(sentence)

    def stop(self) -> None:
        """Raise all of them.

        Raises:
            WrongDefinitions: there are some.
        """
        if self.told:
            raise WrongDefinitions("\n".join(self.told))


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """A question with the name most like a misspelled one; empty where there is none to choose from."""
    best = nearest(str(name), names)
    return f"Did you mean '{best}'?" if best else ""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name most like a misspelled one; of equals the first in order."""

    def likeness(other: str) -> float:
        return difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()

    return max(sorted(names), key=likeness, default=None)

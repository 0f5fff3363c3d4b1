"""Prints what runs find. Names, keys and messages are data: nothing in them is markup, and no terminal obeys them."""

import re
from typing import Any

from rich.console import Console
from rich.text import Text

# Characters that a terminal obeys instead of showing, except line break and tab.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

# Characters with a meaning in Markdown or its embedded HTML. Inside a word, _ is a letter.
MARKDOWN = re.compile(r"([\\`*\[\]<|~&]|(?<![^\W_])_|_(?![^\W_]))")


class DataConsole(Console):
    """A console that prints every text as it is; for emphasis, pass a `Text` with a style."""

    def __init__(self, **options: Any) -> None:
        """Take the options of `Console`."""
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """The text, with a mark in place of each character that a terminal would obey."""
        return super().render_str(plain(text), **options)


def plain(text: str) -> str:
    """A text whose control characters are marks, so that a terminal shows it and does nothing else."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def markdown(text: object) -> str:
    """A text that Markdown shows as it is, on one line, in a cell of a table as well."""
    return MARKDOWN.sub(r"\\\1", " ".join(plain(str(text)).split()))

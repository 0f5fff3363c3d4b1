"""What runs print: data is never markup."""

import io

import pytest
from rich.table import Table

from flows.rules.plan import Plan
from flows.rules.plan_text import Heading, Paragraph, as_markdown, as_text
from flows.steps import pipeline
from flows.steps.console import DataConsole, markdown, plain

HOSTILE = ["[/b]X", "[red]", ":smile:", "[link=https://example.com]x[/link]"]


def printed(*renderables: object) -> str:
    file = io.StringIO()
    console = DataConsole(file=file, width=200)
    for renderable in renderables:
        console.print(renderable)
    return file.getvalue()


@pytest.mark.parametrize("text", HOSTILE)
def test_e1_texts_titles_and_cells_are_printed_as_they_are(text: str) -> None:
    """`[/b]X` in a warning ended the run with a MarkupError, and `[red]` vanished."""
    table = Table(title=f"title {text}")
    table.add_column(f"column {text}")
    table.add_row(text)
    told = printed(f"warning: customer {text} is unknown", table)
    assert told.count(text) == 4


@pytest.mark.parametrize("text", HOSTILE)
def test_e1_progress_of_a_run_is_printed_as_it_is(text: str) -> None:
    with pipeline.CONSOLE.capture() as capture:
        pipeline.CONSOLE.print(f"warning: {text}", soft_wrap=True)
    assert capture.get() == f"warning: {text}\n"


def test_e1_a_terminal_obeys_nothing_in_data() -> None:
    told = printed("before\x1b[2Jafter\x07\x9b1A", "two\nlines")
    assert (
        told
        == "before\N{REPLACEMENT CHARACTER}[2Jafter\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}1A\ntwo\nlines\n"
    )
    assert plain("tab\tand\nline") == "tab\tand\nline"


def test_e1_markdown_shows_names_as_they_are() -> None:
    assert markdown("a|b`c`\n<img src=x> [x](y) *z*") == r"a\|b\`c\` \<img src=x> \[x\](y) \*z\*"
    assert markdown("seg_value_by_spend") == "seg_value_by_spend"
    assert markdown("_x_ __y") == r"\_x\_ \_\_y"


def test_e1_plan_prints_rules_and_names_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [Heading("[red]x", 1), Paragraph("who | is [/b]\nnot `here`")]
    monkeypatch.setattr("flows.rules.plan_text.blocks", lambda _plan: iter(blocks))
    plan: Plan = None
    assert as_text(plan) == "[red]x\nwho | is [/b]\nnot `here`"
    assert as_markdown(plan) == "## \\[red\\]x\n\nwho \\| is \\[/b\\]\n- not \\`here\\`"

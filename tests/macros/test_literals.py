"""Text as SQL."""

from flows.rules.macros import macros


def test_literals_are_quoted() -> None:
    known = macros()
    assert known.sql_text("it's").strip() == "cast('it''s' as varchar)"
    assert known.sql_text(None).strip() == "cast(null as varchar)"

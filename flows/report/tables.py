"""Tables of the report, made by great_tables from frames whose columns have the names that readers see."""

from collections.abc import Sequence

import pandas as pd
from great_tables import GT, loc, style

from flows.report import charts, words


def table(
    rows: pd.DataFrame,
    name: str,
    integers: Sequence[str] = (),
    signed: Sequence[str] = (),
    percents: Sequence[str] = (),
    decimals: Sequence[str] = (),
    figures: Sequence[str] = (),
    money: Sequence[str] = (),
    shaded: Sequence[str] = (),
    ranges: Sequence[str] = (),
) -> str:
    """A frame as an HTML table.

    Args:
        rows: what to show; the first column names the row.
        name: the id of the table, unique on the page.
        integers: columns of whole numbers.
        signed: columns of changes, shown with their sign.
        percents: columns of shares from 0 to 1.
        decimals: columns shown with two decimals.
        figures: columns shown with three significant digits or all whole ones.
        money: columns of amounts, shown without decimals.
        shaded: columns whose cells are the darker the larger they are.
        ranges: columns of texts that are numbers to the reader.
    """
    stub = rows.columns[0]
    shown = (
        GT(rows, rowname_col=stub, id=name)
        # Without it the names of the rows have no heading.
        .tab_stubhead(label=stub)
        .fmt_integer([*integers, *money])
        .fmt_integer(list(signed), force_sign=True)
        .fmt_percent(list(percents), decimals=1)
        .fmt_number(list(decimals), decimals=2)
        .fmt(words.figure, columns=list(figures))
        .sub_missing(missing_text="–")
        .opt_table_font(font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"])
        .tab_options(
            table_font_size="0.9rem",
            table_width="100%",
            data_row_padding="0.3rem",
            table_border_top_style="none",
            table_border_bottom_color="#c9cdd3",
            column_labels_border_top_style="none",
            column_labels_font_weight="600",
            column_labels_font_size="0.82rem",
        )
    )
    if shaded:
        largest = rows[list(shaded)].max(numeric_only=True).max()
        high = max(0.0 if pd.isna(largest) else float(largest), 1e-9)
        shown = shown.data_color(
            columns=list(shaded), palette=["#ffffff", charts.SHADE], domain=[0, high], na_color="#ffffff"
        )
    numbers = [*integers, *signed, *percents, *decimals, *figures, *money, *ranges]
    shown = shown.cols_align("right", columns=numbers) if numbers else shown
    texts = [column for column in rows.columns if column not in numbers and column != stub]
    shown = shown.cols_align("left", columns=texts) if texts else shown
    return shown.tab_style(style.text(align="left", weight="500"), loc.stub()).as_raw_html()

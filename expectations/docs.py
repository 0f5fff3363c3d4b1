"""Static pages of the results, which open from the file system and load nothing from a network.

Great Expectations renders a page per validation, made for style sheets and scripts from half a dozen web
sites. Here those are taken out, one small style sheet is put in their place, and `index.html` lists all
checks in words.
"""

import html
import re
import tempfile
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from great_expectations.data_context import EphemeralDataContext

    from expectations.runner import CheckResult

_SITE = "pages"

# What the pages would load, and the scripts that only work with it.
_LOADED = re.compile(
    r"<script\b.*?</script>"
    r"|<link\b[^>]*>"
    r'|<img\b[^>]*\bsrc="(?!data:)[^>]*>'
    r"|background:\s*url\([^)]*\)[^;}]*;?",
    re.DOTALL,
)

# Status marks are glyphs of a font that would be loaded.
_MARK = re.compile(r'<i\b[^>]*\bfa-([a-z-]+)[^"]*"[^>]*>\s*</i>')
_MARKS = {"check-circle": "&#10003;", "times": "&#10007;", "exclamation-triangle": "!"}

# The pages load nothing, run nothing and send nothing.
_POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; "
    "form-action 'none'; img-src data:; style-src 'unsafe-inline'\">"
)

# What a tag may still lead to: another site, or a script in an attribute.
_TAG = re.compile(r"""<[a-z](?:"[^"]*"|'[^']*'|[^<>"'])*>""", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""\s(href|src|action|formaction|on[a-z]+)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)""",
    re.IGNORECASE,
)
_INSIDE = re.compile(r"#.*|data:image/.*|[\w.-]+\.html(#.*)?", re.DOTALL)

_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 75rem; margin: 0 auto;
  padding: 1.5rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th, td { border-bottom: 1px solid #ddd; padding: .35rem .6rem; text-align: left; vertical-align: top; }
tr.failed td, tr.not-evaluated td { background: #fdecea; } tr.warning td { background: #fff6e0; }
code, .code-snippet { font-family: ui-monospace, monospace; font-size: .9em; }
footer, .modal, .btn-group, .cooltip .top { display: none !important; }
ul { list-style: none; padding-left: 0; } nav li, .list-group-item { padding: .1rem 0; }
</style>"""


def write(context: "EphemeralDataContext", results: "Iterable[CheckResult]", folder: Path) -> None:
    """Write `index.html` with all results and, linked from it, Great Expectations' page of each table.

    A table that could not be read has no page of its own. The folder is made if it is missing; files of an
    earlier site stay in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Within the folder, so that a process that is killed leaves nothing elsewhere.
    with tempfile.TemporaryDirectory(dir=folder) as rendered:
        _render(context, Path(rendered))
        pages = {}
        for source in sorted(Path(rendered, "validations").rglob("*.html")):
            # validations/<gate>/<table>/<run>/<time>/<batch>.html; of several runs, the last one remains.
            gate, table = source.relative_to(rendered).parts[1:3]
            page = f"{gate}_{table}.html"
            (folder / page).write_text(_self_contained(source.read_text(encoding="utf-8")), encoding="utf-8")
            pages[f"{gate}/{table}"] = page
    (folder / "index.html").write_text(_index(results, pages), encoding="utf-8")


def _render(context: "EphemeralDataContext", folder: Path) -> None:
    """Let Great Expectations write its pages of all validations of a context."""
    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "site_section_builders": {"expectations": "None", "profiling": "None"},
    }
    context.add_data_docs_site(site_name=_SITE, site_config=site)
    try:
        context.build_data_docs(site_names=[_SITE])
    finally:
        context.delete_data_docs_site(_SITE)


def _self_contained(page: str) -> str:
    """Return a page without what it would load, and with links that stay inside the folder."""
    page = _MARK.sub(lambda mark: _MARKS.get(mark[1], ""), _LOADED.sub("", page))
    page = re.sub(r"<head\b[^>]*>", lambda head: f"{head[0]}{_POLICY}", page, count=1)
    page = page.replace("</head>", f"{_STYLE}</head>", 1)
    page = re.sub(r'href="(?:\.\./)+[^"]*"', 'href="index.html"', page)
    return _TAG.sub(lambda tag: _ATTRIBUTE.sub(_inside, tag[0]), page)


def _inside(attribute: re.Match[str]) -> str:
    """An attribute that leads to a place inside the folder, or nothing."""
    leads = not attribute[1].lower().startswith("on")
    return attribute[0] if leads and _INSIDE.fullmatch(attribute[2].strip("\"'")) else ""


def _index(results: "Iterable[CheckResult]", pages: dict[str, str]) -> str:
    """Return the page that lists all results, by suite."""
    known = list(results)
    counts = ", ".join(
        f"{sum(result.status == status for result in known)} {status}"
        for status in ("passed", "failed", "not evaluated")
    )
    sections = []
    for suite, group in groupby(known, key=lambda result: result.suite):
        rows = list(group)
        title = html.escape(f"{suite} ({rows[0].mart})")
        if suite in pages:
            title = f'<a href="{html.escape(pages[suite])}">{title}</a>'
        sections.append(f"<h2>{title}</h2>\n{_table(rows)}")
    head = f'<head><meta charset="UTF-8">{_POLICY}<title>Data checks</title>{_STYLE}</head>'
    body = f"<h1>Data checks</h1>\n<p>{counts}</p>\n" + "\n".join(sections)
    return f'<!DOCTYPE html>\n<html lang="en">{head}\n<body>\n{body}\n</body></html>\n'


def _table(results: "Iterable[CheckResult]") -> str:
    """Return the table of one suite's results."""
    lines = ["<table><tr><th>status</th><th>check</th><th>observed</th><th>expected</th><th>code</th></tr>"]
    for result in results:
        kind = result.status.replace(" ", "-")
        if result.status != "passed" and result.severity == "warning":
            kind = "warning"
        status = result.status if kind != "warning" else f"{result.status} (warning)"
        if result.was_accepted:
            kind, status = "warning", "failed (accepted)"
        description = html.escape(result.description)
        if result.status != "passed":
            description += f"<br><em>{html.escape(result.remedy)}</em>"
        cells = [status, description, html.escape(result.observed), html.escape(result.expected)]
        cells.append(f"<code>{html.escape(result.code)}</code>")
        lines.append(f'<tr class="{kind}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    return "\n".join([*lines, "</table>"])

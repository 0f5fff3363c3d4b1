"""Measures of the project's shape: python -m benchmarks.shape.

They tell where code and SQL are larger or more tangled than they should be.
"""

import ast
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.compile import compile_rules
from flows.steps.project import ROOT

PACKAGES = ("flows", "macros", "expectations")
LONG_MODEL = 200
NEW_SEGMENTATION = """owner: a@example.com
segments:
  - {name: a, description: "-", rule: orders_30d > 1}
  - {name: b, description: "-"}
"""


def main() -> int:
    """Print the measures."""
    models = {path: lines(path) for path in tracked("models/*.sql")}
    longest = sorted(((count, path) for path, count in models.items() if count > LONG_MODEL), reverse=True)
    compiled = [path for path in models if "Compiled by" in (ROOT / path).read_text()]
    walkers = list(walkers_of_the_tree())
    circles = list(circles_of_imports())
    hidden = list(macros_that_hide_models())
    table = Table(title="Shape", title_justify="left")
    for column in ("measure", "now", "aim", "where"):
        table.add_column(column, justify="left" if column in ("measure", "where") else "right")
    rows = [
        ("functions that walk the rules' tree", len(walkers), "6", ", ".join(walkers)),
        ("modules that render Jinja in dbt's place", len(imitations()), "0", ", ".join(imitations())),
        (f"models over {LONG_MODEL} lines", len(longest), "5", ", ".join(f"{Path(p).stem} {n}" for n, p in longest)),
        ("lines of the longest compiled model", max(models[path] for path in compiled), "400", ""),
        ("lines of macros that hide whole models", sum(n for n, _ in hidden), "300", ", ".join(p for _, p in hidden)),
        ("files that people write for a new segmentation", len(files_of_a_segmentation()), "1", ""),
        ("circles of imports", len(circles), "0", "; ".join(" -> ".join(circle) for circle in circles)),
        *((f"lines of {kind}", sum(map(lines, tracked(*globs))), "", "") for kind, globs in KINDS.items()),
    ]
    for name, now, aim, where in rows:
        table.add_row(name, f"{now:,}", aim, where)
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)
    return 0


KINDS = {
    "Python, without tests": ("flows/*.py", "macros/*.py", "expectations/*.py", "models/*.py"),
    "SQL and Jinja, without tests": ("models/*.sql", "macros/*.sql"),
    "tests": ("tests/*.py", "tests/*.sql"),
}


def tracked(*globs: str) -> list[str]:
    """The files under version control that match."""
    command = ["git", "-C", str(ROOT), "ls-files", *globs]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def lines(path: str) -> int:
    """The lines of a file."""
    return len((ROOT / path).read_text().splitlines())


def walkers_of_the_tree() -> Iterator[str]:
    """Functions that call themselves on the parts of a rule."""
    for path in tracked("macros/python/rules/*.py"):
        for function in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(function, ast.FunctionDef):
                cases = {node.cls.id for node in ast.walk(function) if isinstance(node, ast.MatchClass)}
                called = {node.func.id for node in ast.walk(function) if _is_call(node)}
                if cases & {"All", "AnyOf", "Not"} and function.name in called:
                    yield function.name


def _is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def imitations() -> list[str]:
    """Modules that give Jinja a `ref` of their own."""
    return [path for path in tracked("flows/*.py", "tests/*.py") if re.search(r'"ref": ', (ROOT / path).read_text())]


def macros_that_hide_models() -> Iterator[tuple[int, str]]:
    """Macros with common table expressions of their own: their lines and files."""
    for path in tracked("macros/*.sql"):
        text = (ROOT / path).read_text()
        if len(re.findall(r"^\s*(?:with )?\w+ as \($", text, re.MULTILINE)) >= 2:
            yield lines(path), path.removeprefix("macros/")


def files_of_a_segmentation() -> list[str]:
    """The files that have to be written for a new segmentation; the rest is compiled."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("models", "macros"):
            shutil.copytree(ROOT / name, Path(folder) / name)
        definition = Path(folder) / "models/segmentations/seg_new.yml"
        definition.write_text(NEW_SEGMENTATION)
        compile_rules(Path(folder))
        return [definition.name] if compile_rules(Path(folder), is_check=True) == [] else []


def circles_of_imports() -> Iterator[list[str]]:
    """Modules that import each other while they are imported, one circle each."""
    files = {path.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): path for path in _modules()}
    imports = {module: set(_imported(path, files)) for module, path in files.items()}
    seen: set[str] = set()
    for module in sorted(imports):
        way = _way_back(module, imports, seen)
        if way:
            seen |= set(way)
            yield way


def _modules() -> list[str]:
    return [path for package in PACKAGES for path in tracked(f"{package}/*.py")]


def _imported(path: str, files: dict[str, str]) -> Iterator[str]:
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in (node.module, *inside) if name in files)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)


def _way_back(module: str, imports: dict[str, set[str]], without: set[str]) -> list[str]:
    ways, seen = [[module]], {module}
    while ways:
        way = ways.pop(0)
        for other in sorted(imports[way[-1]] - without):
            if other == module and len(way) > 1:
                return [*way, module]
            if other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return []


if __name__ == "__main__":
    sys.exit(main())

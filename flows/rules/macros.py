"""Renders the project's models and macros without dbt, in milliseconds: the same files, the few globals they use."""

import datetime
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache, partial
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any, NoReturn

import jinja2
import yaml

from flows.rules.definitions import RuleError, parse
from flows.steps.project import ROOT
from macros.python.rules.compiled import data
from macros.python.rules.definitions import parse_definitions
from macros.python.rules.features import Catalogue, catalogue_of, read_features
from macros.python.rules.mistakes import WrongDefinitions
from macros.python.rules.sql import DUCKDB
from macros.python.rules.tree import Segmentation

MACRO = re.compile(r"\{%-?\s*macro\s+(\w+)\(")


class _Return(BaseException):
    """Carries the value of {{ return(...) }} out of a macro, as dbt does it."""

    def __init__(self, value: Any) -> None:
        self.value = value


def macros(
    variables: Mapping[str, Any] | None = None,
    models: Mapping[str, Any] | None = None,
    definitions: Sequence[Segmentation] | None = None,
    columns: Mapping[str, Mapping[str, Any]] | None = None,
    root: Path = ROOT,
    relation: Callable[[str], str] = lambda name: name,
    adapter: Mapping[str, Callable] | None = None,
    **extra: Any,
) -> Any:
    """All macros of the project as attributes, for DuckDB, and the vars they see as ``variables``.

    Two more: ``render(path)`` is the SQL of a model that rebuilds its table, ``parsed`` are the segmentations.

    Args:
        variables: vars in place of those of dbt_project.yml.
        models: segmentations in place of those of the project, as YAML has them, by name.
        definitions: the same, parsed.
        columns: the columns of customer_features in place of the project's, each with data_type and meta.
        root: the checkout whose macros, vars and YAML are read.
        relation: what ref() gives for the name of a model.
        adapter: what else dbt's adapter can do.
        extra: other globals.
    """
    known = yaml.safe_load((root / "dbt_project.yml").read_text())["vars"] | dict(variables or {})
    environment = _environment()
    functions: dict[str, Callable] = {}
    catalogue = read_features(root) if columns is None else catalogue_of(columns)
    found = list(definitions) if definitions is not None else _parsed(models, catalogue, root)
    compiled = cache(lambda: data(found, catalogue, DUCKDB))

    def dispatch(name: str, _package: str) -> Callable:
        return functions.get(f"duckdb__{name}") or functions[f"default__{name}"]

    environment.globals |= {
        "return": _give_back,
        "exceptions": SimpleNamespace(raise_compiler_error=_stop),
        "modules": SimpleNamespace(re=re, datetime=datetime),
        "var": known.__getitem__,
        "env_var": lambda _name, default: default,
        "execute": True,
        "config": lambda **_settings: "",
        "is_incremental": lambda: False,
        "project_name": "tessera",
        "graph": {"nodes": {}, "sources": {}},
        "local_md5": lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        "tojson": json.dumps,
        "adapter": SimpleNamespace(**{"dispatch": dispatch} | dict(adapter or {})),
        "dbt": SimpleNamespace(type_string=lambda: "varchar", listagg=_listagg, date_trunc=_date_trunc),
        "ref": relation,
        **extra,
    }
    for path in sorted((root / "macros").rglob("*.sql")):
        # Jinja alone does not know how dbt makes tables.
        if path.parent.name == "materializations":
            continue
        source = path.read_text()
        # Most of them are never called, and compiling one takes milliseconds.
        template = cache(partial(_template, environment, source))
        for name in MACRO.findall(source):
            functions[name] = _catching(partial(_own, template, name))
    functions["compiled"] = compiled
    environment.globals |= functions

    def render(path: str) -> str:
        return environment.from_string((root / "models" / path).read_text()).render()

    return SimpleNamespace(**functions, render=render, variables=known, parsed=found)


def _parsed(models: Mapping[str, Any] | None, catalogue: Catalogue, root: Path) -> list[Segmentation]:
    if models is None:
        return parse(root=root)
    try:
        return parse_definitions(models, catalogue)
    except WrongDefinitions as wrong:
        raise RuleError(str(wrong)) from wrong


def _environment() -> jinja2.Environment:
    return jinja2.Environment(extensions=["jinja2.ext.do"])


@lru_cache(maxsize=256)
def _compiled(source: str) -> CodeType:
    """A file of macros, compiled under names of their own.

    Macros find each other through wrappers with their true names, so that a return ends its own macro only.
    """
    renamed = MACRO.sub(lambda found: found.group(0).replace(found[1], f"own__{found[1]}"), source)
    return _environment().compile(renamed)


def _listagg(measure: str, delimiter: str, order_by: str) -> str:
    return f"listagg({measure}, {delimiter} {order_by})"


def _date_trunc(part: str, date: str) -> str:
    return f"date_trunc('{part}', {date})"


def _template(environment: jinja2.Environment, source: str) -> jinja2.Template:
    return jinja2.Template.from_code(environment, _compiled(source), environment.globals)


def _own(template: Callable[[], jinja2.Template], name: str) -> Callable:
    """A macro of a file, without the wrapper that has its name."""
    return getattr(template().module, f"own__{name}")


def _give_back(value: Any) -> NoReturn:
    raise _Return(value)


def _stop(message: str) -> NoReturn:
    raise RuleError(message)


def _catching(find: Callable[[], Callable]) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return find()(*args, **kwargs)
        except _Return as returned:
            return returned.value

    return call

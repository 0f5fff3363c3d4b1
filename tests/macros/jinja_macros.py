"""Calls the project's macros without dbt, in milliseconds: same files, same Jinja, the few globals that they use."""

import datetime
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import jinja2
import yaml

ROOT = Path(__file__).resolve().parents[2]
MACRO = re.compile(r"\{%-?\s*macro\s+(\w+)\(")


class CompilationError(Exception):
    """What exceptions.raise_compiler_error raises."""


class _Return(BaseException):
    """Carries the value of {{ return(...) }} out of a macro, as dbt does it."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _raise(message: str) -> NoReturn:
    raise CompilationError(message)


def _give_back(value: Any) -> NoReturn:
    raise _Return(value)


def macros(variables: dict[str, Any] | None = None, models: dict[str, dict] | None = None, **extra: Any) -> Any:
    """All macros of the project as attributes.

    Args:
        variables: vars in place of those of dbt_project.yml.
        models: segmentations in place of those of the project, as {name: meta of the segmentation}.
        extra: other globals, such as `model`.
    """
    known = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"] | (variables or {})
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    functions: dict[str, Callable] = {}

    def dispatch(name: str, _package: str) -> Callable:
        return functions.get(f"duckdb__{name}") or functions[f"default__{name}"]

    environment.globals |= {
        "return": _give_back,
        "exceptions": SimpleNamespace(raise_compiler_error=_raise),
        "modules": SimpleNamespace(re=re, datetime=datetime),
        "var": known.__getitem__,
        "env_var": lambda _name, default: default,
        "execute": True,
        "project_name": "tessera",
        "graph": {"nodes": graph_nodes(models)},
        "local_md5": lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        "adapter": SimpleNamespace(dispatch=dispatch),
        "dbt": SimpleNamespace(type_string=lambda: "varchar"),
        "ref": lambda name: name,
        **extra,
    }
    for path in sorted((ROOT / "macros").rglob("*.sql")):
        source = path.read_text()
        # Macros find each other through the wrappers below, so that a return ends its own macro only.
        module = environment.from_string(
            MACRO.sub(lambda found: found.group(0).replace(found[1], f"own__{found[1]}"), source)
        )
        for name in MACRO.findall(source):
            functions[name] = _catching(lambda module=module, name=name: getattr(module.module, f"own__{name}"))
    environment.globals |= functions
    return SimpleNamespace(**functions)


def graph_nodes(models: dict[str, dict] | None = None) -> dict[str, Any]:
    """The nodes of dbt's graph that the rule macros read: customer_features and the segmentations."""
    (features,) = (
        model
        for model in yaml.safe_load((ROOT / "models" / "features" / "_features.yml").read_text())["models"]
        if model["name"] == "customer_features"
    )
    columns = {
        column["name"]: _Node(
            name=column["name"],
            data_type=column["data_type"],
            config=_Node(meta=column.get("config", {}).get("meta", {})),
        )
        for column in features["columns"]
    }
    nodes = {"model.tessera.customer_features": _Node(name="customer_features", columns=columns, config=_Node(meta={}))}
    if models is None:
        models = {}
        for path in (ROOT / "models" / "segmentations").glob("seg_*.yml"):
            for model in yaml.safe_load(path.read_text())["models"]:
                models[model["name"]] = model["config"]["meta"]["segmentation"]
    for name, meta in models.items():
        nodes[f"model.tessera.{name}"] = _Node(
            name=name, resource_type="model", description="", config=_Node(meta={"segmentation": meta})
        )
    return nodes


class _Node(dict):
    """A mapping whose keys are attributes too, as in dbt's Jinja."""

    __getattr__ = dict.__getitem__


def _catching(find: Callable[[], Callable]) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return find()(*args, **kwargs)
        except _Return as returned:
            return returned.value

    return call

"""Runs the project's macros without dbt, in milliseconds: the same files, the same Jinja, the few globals they use.

So there is one parser of rules: what the flows read, prove and plan is what dbt builds.
"""

import datetime
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any, NoReturn

import jinja2
import yaml

from flows.steps.errors import RunStopped
from flows.steps.project import ROOT

MACRO = re.compile(r"\{%-?\s*macro\s+(\w+)\(")


class RuleError(RunStopped):
    """A definition does not hold to the rule language; the message says where and why."""


class _Return(BaseException):
    """Carries the value of {{ return(...) }} out of a macro, as dbt does it."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Node(dict):
    """A mapping whose keys are attributes too, as in dbt's Jinja."""

    __getattr__ = dict.__getitem__


def macros(
    variables: Mapping[str, Any] | None = None,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    root: Path = ROOT,
    relation: Callable[[str], str] = lambda name: name,
    adapter: Mapping[str, Callable] | None = None,
    **extra: Any,
) -> Any:
    """All macros of the project as attributes, for DuckDB, and the vars they see as ``variables``.

    Four more: ``render(path)`` is the SQL of a model that rebuilds its table, ``segmentation_sql(name)`` that of a
    segmentation, ``check_model(name)`` raises where the file of a segmentation does not build what its YAML says, and
    ``mistakes_of(*actions)`` lists everything that actions would raise, where they alone raise the first.

    Args:
        variables: vars in place of those of dbt_project.yml.
        models: segmentations in place of those of the project, as {name: what its YAML says under segmentation}.
        root: the checkout whose macros, vars and YAML are read.
        relation: what ref() gives for the name of a model.
        adapter: what else dbt's adapter can do.
        extra: other globals.
    """
    known = yaml.safe_load((root / "dbt_project.yml").read_text())["vars"] | dict(variables or {})
    if models is not None and not (variables or {}).get("segmentations"):
        known["segmentations"] = list(models)
    environment = _environment()
    model = SimpleNamespace(name=None)
    functions: dict[str, Callable] = {}
    # What was raised so far, where all of it is asked for.
    mistakes = _Mistakes()

    def dispatch(name: str, _package: str) -> Callable:
        return functions.get(f"duckdb__{name}") or functions[f"default__{name}"]

    environment.globals |= {
        "return": _give_back,
        "exceptions": SimpleNamespace(raise_compiler_error=mistakes.tell),
        "modules": SimpleNamespace(re=re, datetime=datetime),
        "var": known.__getitem__,
        "env_var": lambda _name, default: default,
        "execute": True,
        "config": lambda **_settings: "",
        "is_incremental": lambda: False,
        "project_name": "tessera",
        "graph": {"nodes": graph_nodes(root, models)},
        "local_md5": lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        "tojson": json.dumps,
        "adapter": SimpleNamespace(**{"dispatch": dispatch} | dict(adapter or {})),
        "dbt": SimpleNamespace(type_string=lambda: "varchar", listagg=_listagg, date_trunc=_date_trunc),
        "ref": relation,
        "model": model,
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
            functions[name] = _catching(partial(_own, template, name), mistakes)
    environment.globals |= functions

    def render(path: str) -> str:
        return environment.from_string((root / "models" / path).read_text()).render()

    def check_model(name: str) -> None:
        path = root / "models" / "segmentations" / f"{name}.sql"
        if not path.exists():
            raise RuleError(
                f"Segmentation {name}: there is no model {path.relative_to(root)}. Add it: {{{{ segmentation() }}}}."
            )
        model.name = name
        render(str(path.relative_to(root / "models")))

    def segmentation_sql(name: str) -> str:
        model.name = name
        return functions["segmentation"](functions["segments_asked_for"](functions["definition_of"](name)))

    own = {"render": render, "segmentation_sql": segmentation_sql, "check_model": check_model}
    return SimpleNamespace(**functions, **own, mistakes_of=mistakes.of, variables=known)


def graph_nodes(root: Path = ROOT, models: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The nodes of dbt's graph that the rule macros read: customer_features, the segmentations and dim_customers.

    Where other segmentations are given than the project's, there is no dim_customers that would have their columns.
    """
    nodes = {
        "model.tessera.customer_features": _Node(
            name="customer_features", resource_type="model", columns=feature_columns(root), config=_Node(meta={})
        )
    }
    if models is None:
        nodes["model.tessera.dim_customers"] = _Node(
            name="dim_customers", resource_type="model", columns=customer_columns(root), config=_Node(meta={})
        )
    described = segmentations_of(root) if models is None else {name: ("", meta) for name, meta in models.items()}
    for name, (description, meta) in described.items():
        nodes[f"model.tessera.{name}"] = _Node(
            name=name, resource_type="model", description=description, config=_Node(meta={"segmentation": meta})
        )
    return nodes


def feature_columns(root: Path = ROOT) -> dict[str, Any]:
    """The columns of customer_features as its contract lists them, by name."""
    return _columns_of("customer_features", root / "models" / "features" / "_features.yml")


def customer_columns(root: Path = ROOT) -> dict[str, Any]:
    """The columns of dim_customers as its contract lists them, by name."""
    return _columns_of("dim_customers", root / "models" / "marts" / "customers" / "_customers.yml")


def _columns_of(name: str, file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise RuleError(f"{file.name} is not YAML: {error}") from error
    (described,) = (model for model in content["models"] if model["name"] == name)
    return {
        column["name"]: _Node(
            name=column["name"],
            data_type=column["data_type"],
            config=_Node(meta=column.get("config", {}).get("meta", {})),
        )
        for column in described["columns"]
    }


def segmentations_of(root: Path = ROOT) -> dict[str, tuple[str, dict[str, Any]]]:
    """The description and definition of every segmentation in the YAML files of a checkout, by name.

    Raises:
        RuleError: files are no YAML, or define the same name; all of them are named.
    """
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    wrong = []
    for path in sorted((root / "models" / "segmentations").glob("*.yml")):
        try:
            content = yaml.load(path.read_text(), _StrictLoader)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            wrong.append(f"{path.relative_to(root)} is not YAML: {error}")
            continue
        for model in _listed(content, "models"):
            meta = _within(_within(model, "config"), "meta").get("segmentation")
            if meta is None:
                continue
            if not isinstance(model.get("name"), str):
                wrong.append(f"{path.relative_to(root)}: a model with a segmentation has no name.")
            elif model["name"] in found:
                wrong.append(f"Segmentation {model['name']}: it is defined twice, again in {path.relative_to(root)}.")
            else:
                found[model["name"]] = (model.get("description", ""), meta)
    if wrong:
        raise RuleError("\n".join(wrong))
    return found


class _StrictLoader(yaml.SafeLoader):
    """Reads YAML as dbt does, but refuses a duplicate key: the first one would be lost silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for (key, _), name in zip(node.value, keys, strict=True):
            if keys.count(name) > 1:
                raise yaml.constructor.ConstructorError(
                    "while reading what belongs together",
                    node.start_mark,
                    f'found duplicate key "{name}"',
                    key.start_mark,
                )
        return super().construct_mapping(node, deep)


def _within(mapping: Any, key: str) -> dict[str, Any]:
    """What a mapping has under a key, if both are mappings; else an empty one."""
    inner = mapping.get(key) if isinstance(mapping, dict) else None
    return inner if isinstance(inner, dict) else {}


def _listed(mapping: Any, key: str) -> list[dict[str, Any]]:
    """The mappings in the list that a mapping has under a key."""
    listed = mapping.get(key) if isinstance(mapping, dict) else None
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


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


class _Mistakes:
    """What macros raise: the first mistake ends them, or all are written down where all are asked for."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.all_are_asked_for = False

    def tell(self, message: str) -> str:
        """What exceptions.raise_compiler_error does; the macro goes on where all mistakes are asked for."""
        if not self.all_are_asked_for:
            raise RuleError(message)
        self.told.append(message)
        return ""

    def of(self, *actions: Callable[[], Any]) -> list[str]:
        """Everything that actions raise, each sentence once."""
        self.told, self.all_are_asked_for = [], True
        try:
            for action in actions:
                try:
                    action()
                except RuleError as error:
                    self.told.append(str(error))
                except Exception:
                    # It could not go on after a mistake.
                    if not self.told:
                        raise
        finally:
            self.all_are_asked_for = False
        return list(dict.fromkeys(self.told))


def _template(environment: jinja2.Environment, source: str) -> jinja2.Template:
    return jinja2.Template.from_code(environment, _compiled(source), environment.globals)


def _own(template: Callable[[], jinja2.Template], name: str) -> Callable:
    """A macro of a file, without the wrapper that has its name."""
    return getattr(template().module, f"own__{name}")


def _give_back(value: Any) -> NoReturn:
    raise _Return(value)


def _catching(find: Callable[[], Callable], mistakes: _Mistakes) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        told_before = len(mistakes.told)
        try:
            return find()(*args, **kwargs)
        except _Return as returned:
            return returned.value
        except Exception:
            # A macro that went on after a mistake and could not end gives nothing; its callers look at the rest.
            if mistakes.all_are_asked_for and len(mistakes.told) > told_before:
                return None
            raise

    return call

"""Makes a challenger the active segmentation, by editing the YAML files that define the two.

The files are read with ruamel.yaml, which knows where every key and value stands, and only these places are edited:
what the diff shows is what was meant, and comments, order and quoting stay as they were.
"""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from flows.rules.macros import macros, segmentations_of
from flows.steps.errors import RunStopped
from flows.steps.project import ROOT

Metas = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Promotion:
    """What a promotion changed.

    Attributes:
        promoted: the challenger that is active now.
        challenged: the segmentation that was active and challenges it now.
        changes: what was changed, by file, relative to the checkout.
    """

    promoted: str
    challenged: str
    changes: dict[Path, list[str]]


def promote(challenger: str, root: Path = ROOT) -> Promotion:
    """Swap a challenger with the segmentation that it challenges, and their columns of dim_customers.

    Names and rules of both stay, and so do their rule versions and histories. Other challengers of the formerly active
    one challenge the promoted one from then on. Nothing is written unless the definitions hold to the rule language
    before and after.

    Args:
        challenger: the name of the challenger.
        root: the checkout whose files are edited.

    Raises:
        RunStopped: there is no such challenger, a definition is wrong (a RuleError), a file is not written as this can
            edit it, or cannot be written.
    """
    before = _metas(root)
    _check(before, root)
    challenged = _challenged_by(challenger, before, root)
    wanted = {
        challenger: {"status": "active", "challenger_of": None},
        challenged: {"status": "challenger", "challenger_of": challenger},
    } | {
        name: {"status": "challenger", "challenger_of": challenger}
        for name, meta in before.items()
        if meta.get("challenger_of") == challenged and name != challenger
    }
    files = _Files(root)
    for name, keys in wanted.items():
        files.define(name, keys)
    files.rename_column(challenged, challenger)
    _check_edits(files, before, wanted, root)
    files.write()
    return Promotion(challenger, challenged, files.changes)


def _metas(root: Path) -> Metas:
    return {name: meta for name, (_, meta) in segmentations_of(root).items()}


def _check(metas: Metas, root: Path) -> None:
    kept = yaml.safe_load((root / "dbt_project.yml").read_text())["vars"]["segmentations"]
    macros(variables={"segmentations": kept}, models=metas, root=root).check_segmentations()


def _challenged_by(challenger: str, metas: Metas, root: Path) -> str:
    challengers = sorted(name for name, meta in metas.items() if meta.get("status") == "challenger")
    if challenger not in metas:
        nearest = macros(root=root).nearest_name(challenger, challengers or list(metas))
        raise RunStopped(f"There is no segmentation '{challenger}'. Did you mean '{nearest}'?")
    if challenger not in challengers:
        there = f"Challengers are: {', '.join(challengers)}." if challengers else "There are no challengers."
        raise RunStopped(
            f"{challenger} is no challenger; its status is {metas[challenger].get('status', 'active')}. {there}"
        )
    return metas[challenger]["challenger_of"]


def _check_edits(files: "_Files", before: Metas, wanted: Mapping[str, Mapping[str, Any]], root: Path) -> None:
    """Refuse edits that gave anything but what was wanted, or definitions that are wrong."""
    after = before | files.edited_metas()
    for name, meta in before.items():
        meant = {key: value for key, value in (meta | wanted.get(name, {})).items() if value is not None}
        if after[name] != meant:
            raise RunStopped(
                f"Segmentation {name}: its YAML is written in a way that this cannot edit. Edit status and "
                "challenger_of by hand; nothing was changed."
            )
    _check(after, root)


@dataclass
class _Files:
    """YAML files of a checkout with edits that are not written yet.

    Attributes:
        root: the checkout.
        texts: the edited texts, by path.
        changes: what was changed, by path relative to the checkout.
    """

    root: Path
    texts: dict[Path, str] = field(default_factory=dict)
    changes: dict[Path, list[str]] = field(default_factory=dict)

    def define(self, name: str, keys: Mapping[str, str | None]) -> None:
        """Give keys of a segmentation other values: add, change or, for None, take out their lines."""
        path, model = self._model(name, self.root / "models" / "segmentations")
        meta = model["config"]["meta"]["segmentation"]
        if meta.fa.flow_style():
            raise RunStopped(
                f"Segmentation {name}: its YAML stands in braces; write status and challenger_of on lines of their "
                "own, so that they can be edited. Nothing was changed."
            )
        lines = self._lines(path)
        # From the end, so that the lines before keep their numbers.
        for key, value in sorted(keys.items(), key=lambda item: -meta.lc.key(item[0])[0] if item[0] in meta else 0):
            if key not in meta:
                continue
            number, column = meta.lc.value(key)
            if value is None:
                del lines[number]
            else:
                lines[number] = _with_value(lines[number], column, str(meta[key]), value)
        # What is new stands after the status, or else after the owner.
        after = "status" if "status" in meta else "owner"
        number, column = meta.lc.key(after)
        end = "\r" if lines[number].endswith("\r") else ""
        new = [f"{' ' * column}{key}: {value}{end}" for key, value in keys.items() if key not in meta and value]
        lines[number + 1 : number + 1] = new
        told = ", ".join(f"{key}: {value}" if value else f"no {key}" for key, value in keys.items())
        self._edited(path, lines, f"{name} has {told}")

    def rename_column(self, old: str, new: str) -> None:
        """Replace a column of dim_customers, and its name in the column's description."""
        path, model = self._model("dim_customers", self.root / "models" / "marts")
        columns = {column["name"]: place for place, column in enumerate(model.get("columns", []))}
        if old not in columns or new in columns:
            raise RunStopped(
                f"The contract of dim_customers in {path.relative_to(self.root)} has to have a column {old} and none "
                f"{new}: active segmentations have one, challengers none. Nothing was changed."
            )
        lines = self._lines(path)
        first, indent = model["columns"].lc.item(columns[old])
        for number in range(first, len(lines)):
            line = lines[number]
            if number > first and line.strip() and len(line) - len(line.lstrip()) < indent:
                break
            lines[number] = re.sub(rf"\b{re.escape(old)}\b", new, line)
        self._edited(path, lines, f"dim_customers has the column {new} instead of {old}")

    def edited_metas(self) -> Metas:
        """The definitions in the edited files, by name."""
        metas = {}
        for path, text in self.texts.items():
            if path.parent.name == "segmentations":
                for model in yaml.safe_load(text)["models"]:
                    meta = model.get("config", {}).get("meta", {}).get("segmentation")
                    if meta is not None:
                        metas[model["name"]] = meta
        return metas

    def write(self) -> None:
        """Write all files, or none: each is replaced in one step, and put back where a later one fails."""
        originals = {path: path.read_bytes() for path in self.texts}
        replaced: list[Path] = []
        try:
            for path, text in self.texts.items():
                _replace(path, text.encode())
                replaced.append(path)
        except OSError as error:
            for path in replaced:
                _replace(path, originals[path])
            raise RunStopped(f"{error.filename} cannot be written: {error.strerror}. Nothing was changed.") from error

    def _text(self, path: Path) -> str:
        # Bytes, for reading text would change the ends of lines.
        return self.texts[path] if path in self.texts else path.read_bytes().decode()

    def _lines(self, path: Path) -> list[str]:
        return self._text(path).split("\n")

    def _edited(self, path: Path, lines: list[str], change: str) -> None:
        self.texts[path] = "\n".join(lines)
        self.changes.setdefault(path.relative_to(self.root), []).append(change)

    def _model(self, name: str, folder: Path) -> tuple[Path, CommentedMap]:
        for path in sorted(folder.rglob("*.yml")):
            text = self._text(path)
            if name not in text:
                continue
            try:
                content = YAML().load(text) or {}
            except YAMLError as error:
                # It is stricter than dbt: a key may not stand twice.
                raise RunStopped(f"{path.relative_to(self.root)} is not YAML: {error}") from error
            for model in content.get("models", []):
                if model["name"] == name:
                    return path, model
        raise RunStopped(f"No YAML file in {folder.relative_to(self.root)} describes {name}. Nothing was changed.")


def _with_value(line: str, column: int, old: str, new: str) -> str:
    """A line with the value at a column replaced, in the quotes that it has."""
    quote = line[column] if line[column : column + 1] in ("'", '"') else ""
    begin = column + len(quote)
    return line[:begin] + new + line[begin + len(old) :]


def _replace(path: Path, content: bytes) -> None:
    """Replace a file in one step."""
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)

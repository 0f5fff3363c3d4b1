"""Makes a challenger the active segmentation, by editing the YAML files that define the two, and compiles.

The files are read with ruamel.yaml, which knows where every key and value is, and only these places are edited: what
the diff shows is what was meant, and comments, order and quoting stay as they were.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML

from flows.compile import compiled_texts, replace_files
from flows.rules.definitions import RuleError, parse
from flows.steps.errors import RunStopped
from flows.steps.project import ROOT
from macros.python.rules.definitions import FOLDER, read_files
from macros.python.rules.mistakes import WrongDefinitions, did_you_mean

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
    """Swap a challenger with the segmentation that it challenges, and compile.

    Names and rules of both stay, and so do their rule versions and histories. Other challengers of the formerly active
    one challenge the promoted one from then on. Nothing is written unless the definitions are right before and after.

    Args:
        challenger: the name of the challenger.
        root: the checkout whose files are edited.

    Raises:
        RunStopped: there is no such challenger, a definition is wrong (a RuleError), a file is not written as this can
            edit it, or cannot be written.
    """
    before = _metas(root)
    parse(before, root)
    challenged = _challenged_by(challenger, before)
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
    _check_edits(files, before, wanted, root)
    originals = {path: path.read_bytes() for path in files.texts}
    replace_files({path: text.encode() for path, text in files.texts.items()})
    try:
        compiled = compiled_texts(root)
        replace_files(compiled)
    except BaseException:
        replace_files(originals)
        raise
    for path in compiled:
        files.changes[path.relative_to(root)] = ["compiled"]
    return Promotion(challenger, challenged, files.changes)


def _metas(root: Path) -> Metas:
    found, mistakes = read_files(root)
    try:
        mistakes.stop()
    except WrongDefinitions as wrong:
        raise RuleError(str(wrong)) from wrong
    return {name: dict(meta) for name, meta in found.items()}


def _challenged_by(challenger: str, metas: Metas) -> str:
    challengers = sorted(name for name, meta in metas.items() if meta.get("status") == "challenger")
    if challenger not in metas:
        hint = did_you_mean(challenger, challengers or metas)
        raise RunStopped(f"There is no segmentation '{challenger}'. {hint}")
    if challenger not in challengers:
        there = f"Challengers are: {', '.join(challengers)}." if challengers else "There are no challengers."
        raise RunStopped(
            f"{challenger} is not a challenger; its status is {metas[challenger].get('status', 'active')}. {there}"
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
    parse(after, root)


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
        path = self.root / FOLDER / f"{name}.yml"
        # Bytes, for reading text would change the ends of lines.
        text = path.read_bytes().decode()
        meta = YAML().load(text)
        if meta.fa.flow_style():
            raise RunStopped(
                f"Segmentation {name}: its YAML is in braces; write status and challenger_of on lines of their "
                "own, so that they can be edited. Nothing was changed."
            )
        lines = text.split("\n")
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
        self.texts[path] = "\n".join(lines)
        self.changes.setdefault(path.relative_to(self.root), []).append(f"{name} has {told}")

    def edited_metas(self) -> Metas:
        """The definitions in the edited files, by name."""
        return {path.stem: yaml.safe_load(text) for path, text in self.texts.items()}


def _with_value(line: str, column: int, old: str, new: str) -> str:
    """A line with the value at a column replaced, in the quotes that it has."""
    quote = line[column] if line[column : column + 1] in ("'", '"') else ""
    begin = column + len(quote)
    return line[:begin] + new + line[begin + len(old) :]

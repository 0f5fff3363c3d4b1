"""Compile the rules to plain SQL: python -m flows.compile [--check].

Every segmentation becomes a model beside its YAML, with a contract; other models read macros/rules/compiled.sql. Commit
what is written. Every command compiles first, and dbt refuses to build what was compiled from other files.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from flows.rules.definitions import RuleError
from flows.steps.errors import RunStopped
from flows.steps.project import ROOT
from macros.python.rules.compiled import compile_definitions
from macros.python.rules.mistakes import WrongDefinitions


def compile_rules(root: Path = ROOT, is_check: bool = False) -> list[str]:
    """Write what the definitions of a checkout compile to; returns what changed, a line each.

    Args:
        root: the checkout.
        is_check: say what would change and write nothing.

    Raises:
        RuleError: definitions are wrong; nothing is written.
        RunStopped: a file cannot be written.
    """
    texts = compiled_texts(root)
    if not is_check:
        replace_files(texts)
    done = ("is stale", "has no YAML") if is_check else ("written", "removed")
    return [f"{path.relative_to(root)} {done[text is None]}" for path, text in texts.items()]


def compiled_texts(root: Path) -> dict[Path, bytes | None]:
    """What compiling would change: new contents of files, and None for those that would go.

    Raises:
        RuleError: definitions are wrong.
    """
    try:
        compiled = compile_definitions(root)
    except WrongDefinitions as error:
        raise RuleError(str(error)) from error
    texts = {root / path: text.encode() for path, text in compiled.texts.items()}
    changed: dict[Path, bytes | None] = {
        path: text for path, text in texts.items() if not path.exists() or path.read_bytes() != text
    }
    return changed | {root / path: None for path in compiled.stale}


def replace_files(contents: Mapping[Path, bytes | None]) -> None:
    """Give all files new contents, or none: each is replaced in one step, and put back if a later one fails.

    Args:
        contents: by file; None removes it.

    Raises:
        RunStopped: a file cannot be written.
    """
    originals = {path: path.read_bytes() if path.exists() else None for path in contents}
    replaced: list[Path] = []
    try:
        for path, content in contents.items():
            _replace(path, content)
            replaced.append(path)
    except OSError as error:
        for path in replaced:
            _replace(path, originals[path])
        raise RunStopped(f"{error.filename} cannot be written: {error.strerror}. Nothing was changed.") from error


def _replace(path: Path, content: bytes | None) -> None:
    """Replace a file in one step, or remove it."""
    if content is None:
        path.unlink()
        return
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m flows.compile", description="Compile the rules to plain SQL.")
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if something is stale")
    given = parser.parse_args()
    try:
        changed = compile_rules(is_check=given.check)
    except RunStopped as stopped:
        print(f"Stopped: {stopped}", file=sys.stderr)
        return 1
    print("\n".join(changed) or "Everything is compiled.")
    if given.check and changed:
        print("Run `python -m flows.compile` and commit what it writes.", file=sys.stderr)
    return 1 if given.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())

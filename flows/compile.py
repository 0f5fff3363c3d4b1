"""Compile the rules to plain SQL: python -m flows.compile [--check].

Every segmentation becomes a model beside its YAML, with a contract; other models read macros/rules/compiled.sql. Commit
what is written. Every command compiles first, and dbt refuses to build what was compiled from other files.
"""

import argparse
import sys
from pathlib import Path

from flows.rules.definitions import RuleError
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
    """
    try:
        compiled = compile_definitions(root)
    except WrongDefinitions as error:
        raise RuleError(str(error)) from error
    changed = []
    for path, text in compiled.texts.items():
        file = root / path
        if not file.exists() or file.read_text() != text:
            changed.append(f"{path} {'is stale' if is_check else 'written'}")
            if not is_check:
                file.write_text(text)
    for path in compiled.stale:
        changed.append(f"{path} {'has no YAML' if is_check else 'removed'}")
        if not is_check:
            (root / path).unlink()
    return changed


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m flows.compile", description="Compile the rules to plain SQL.")
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if something is stale")
    given = parser.parse_args()
    try:
        changed = compile_rules(is_check=given.check)
    except RuleError as stopped:
        print(f"Stopped: {stopped}", file=sys.stderr)
        return 1
    print("\n".join(changed) or "Everything is compiled.")
    if given.check and changed:
        print("Run `python -m flows.compile` and commit what it writes.", file=sys.stderr)
    return 1 if given.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Finds phrases that read as translated: python -m tests.lint.prose.

english.csv lists them as regular expressions, each with what to write instead (docs/decisions/0037-prose.md).
"""

import csv
import re
import subprocess
import sys
from pathlib import Path

from flows.steps.project import ROOT

READ = ("*.md", "*.yml", "*.py", "*.sql", "*.j2")
# What `make faults` writes, what is compiled from texts that are read, and what quotes the phrases.
LEFT_OUT = (":!docs/faults.md", ":!models/segmentations/_compiled.yml", ":!macros/rules/compiled.sql", ":!tests")


def main() -> int:
    """Print what is found; returns 1 if there is anything."""
    with (Path(__file__).parent / "english.csv").open() as file:
        phrases = [(re.compile(row["phrase"], re.IGNORECASE), row["instead"]) for row in csv.DictReader(file)]
    command = ["git", "-C", str(ROOT), "ls-files", "--", *READ, *LEFT_OUT]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: '{match[0]}'. Write instead: {instead}."
        for name in names
        for text in [(ROOT / name).read_text()]
        for phrase, instead in phrases
        for match in phrase.finditer(text)
    ]
    print("\n".join(found) or f"{len(names)} files, no phrase of {len(phrases)}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

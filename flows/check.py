"""Whether the rules of the checkout can be read, and every segment be reached: python -m flows.check.

Reads YAML alone, no data. Ends with status 1 where a rule does not hold to the language, 2 where a segment cannot be
reached.
"""

import sys

from flows.rules.definitions import parse
from flows.rules.plan_text import proof_sentences
from flows.rules.proofs import fixed_clauses, unreachable_segments
from flows.steps.errors import RunStopped


def main() -> int:
    """Print what is wrong, or what was read."""
    try:
        found, _ = parse()
    except RunStopped as stopped:
        print(f"Stopped: {stopped}", file=sys.stderr)
        return 1
    definitions = {definition["name"]: definition for definition in found}
    unreachable, fixed = unreachable_segments(definitions), fixed_clauses(definitions)
    for sentence in proof_sentences(unreachable, fixed):
        print(sentence)
    segments = sum(len(definition["segments"]) for definition in found)
    clauses = sum(len(definition["clauses"]) for definition in found)
    print(f"{len(found)} segmentations, {segments} segments, {clauses} clauses read.")
    return 2 if unreachable else 0


if __name__ == "__main__":
    sys.exit(main())

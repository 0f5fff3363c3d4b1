"""Whether the rules of the checkout can be read, and every segment be reached: python -m flows.check [--vars YAML].

Reads YAML, and of the sources' files only which columns they have; clauses that rest on a column that no source
delivers are told. Ends with status 1 if a definition breaks the rule language, 2 if a segment cannot be reached.
"""

import argparse
import sys

from flows.rules.definitions import parse
from flows.rules.plan_text import proof_sentences
from flows.rules.undelivered import undelivered_sentences
from flows.steps.errors import RunStopped
from flows.steps.project import ROOT, Project
from macros.python.rules.features import read_features
from macros.python.rules.proofs import fixed_clauses, unreachable_segments


def main() -> int:
    """Print what is wrong, or what was read."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.check", description="Whether the rules can be read, and every segment be reached."
    )
    parser.add_argument("--vars", metavar="YAML", help="dbt vars, as for flows.daily")
    arguments = parser.parse_args()
    wrong, found = [], []
    try:
        project = Project.with_vars(arguments.vars)
        # Rules are checked even if settings are wrong, so that one run reports everything.
        for look in (project.checked, lambda: found.extend(parse(history_start=project.given_history_start))):
            try:
                look()
            except RunStopped as stopped:
                wrong.append(str(stopped))
        undelivered = [] if wrong else list(undelivered_sentences(found, project))
    except RunStopped as stopped:
        wrong.append(str(stopped))
    if wrong:
        print("Stopped: " + "\n".join(wrong), file=sys.stderr)
        return 1
    definitions = {definition.name: definition for definition in found}
    domains = read_features(ROOT).domains()
    unreachable, fixed = unreachable_segments(definitions, domains), fixed_clauses(definitions, domains)
    for sentence in [*proof_sentences(unreachable, fixed), *undelivered]:
        print(sentence)
    segments = sum(len(definition.segments) for definition in found)
    clauses = sum(len(definition.leaves) for definition in found)
    print(f"{len(found)} segmentations, {segments} segments, {clauses} clauses read.")
    return 2 if unreachable else 0


if __name__ == "__main__":
    sys.exit(main())

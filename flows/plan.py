"""What a change of rules would do, before it is merged.

    python -m flows.plan [--history] [--markdown] [--max-change SHARE] [--vars YAML]

Ends with status 2 where a segment cannot be reached or one gains or loses more than the share, 1 where the rules do not
hold to the language, else 0.
"""

import argparse
import sys

from flows.rules.plan import make_plan
from flows.rules.plan_text import as_markdown, as_text
from flows.steps.errors import RunStopped
from flows.steps.project import Project


def share(text: str) -> float:
    """A share as a number, at least 0."""
    value = float(text)
    if not value >= 0:
        raise ValueError(text)
    return value


def main() -> int:
    """Print the plan."""
    parser = argparse.ArgumentParser(prog="python -m flows.plan", description="What a change of rules would do.")
    parser.add_argument("--history", action="store_true", help="replay old and new rules over all days kept")
    parser.add_argument("--markdown", action="store_true", help="write Markdown, for a pull request")
    parser.add_argument(
        "--max-change", type=share, default=0.2, metavar="SHARE", help="what a segment may gain or lose (default 0.2)"
    )
    parser.add_argument("--vars", metavar="YAML", help="dbt vars, as for flows.daily")
    arguments = parser.parse_args()
    try:
        plan = make_plan(Project.with_vars(arguments.vars).checked(), arguments.max_change, arguments.history)
    except RunStopped as stopped:
        print(f"\nStopped: {stopped}", file=sys.stderr)
        return 1
    print(as_markdown(plan) if arguments.markdown else as_text(plan))
    return 0 if plan.is_fine else 2


if __name__ == "__main__":
    sys.exit(main())

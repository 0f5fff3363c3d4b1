"""How the flows behave as commands."""

import sys
from collections.abc import Callable

from flows.steps.errors import RunStopped


def run_command(action: Callable[[], str]) -> int:
    """Do it and print what it returns; print what stopped it. Returns the exit status, 0 or what the error says."""
    try:
        print(action())
    except RunStopped as stopped:
        print(f"\nStopped: {stopped}" if stopped.status == 1 else f"\n{stopped}", file=sys.stderr)
        return stopped.status
    except OSError as stopped:
        print(f"\nStopped: {stopped}", file=sys.stderr)
        return 1
    return 0

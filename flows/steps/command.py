"""How the flows behave as commands."""

import sys
from collections.abc import Callable

from flows.steps.console import plain
from flows.steps.errors import RunStopped
from flows.steps.places import keep_private


def run_command(action: Callable[[], str]) -> int:
    """Run a command, print its result or why it stopped, and return the exit status: 0 or the error's."""
    try:
        keep_private()
        print(action())
    except RunStopped as stopped:
        told = plain(str(stopped))
        print(f"\nStopped: {told}" if stopped.status == 1 else f"\n{told}", file=sys.stderr)
        return stopped.status
    except OSError as stopped:
        print(f"\nStopped: {plain(str(stopped))}", file=sys.stderr)
        return 1
    return 0

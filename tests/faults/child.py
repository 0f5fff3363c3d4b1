"""Runs a flow in this process and stops, as SIGSTOP does, at a place that a test has chosen.

python -m tests.faults.child PLACE MODULE [arguments of the module, such as flows.daily]

PLACE is JSON: `event` is one of Python's audit events, such as os.rename, and `match` a regular expression that
its arguments have to fit. The process stops right before the event takes place for the first time, so that what is
done to it then happens between two system calls and not somewhere near them. `raises` names a function instead,
`module:function`, that raises a RuntimeError when it is called. The flow's own code is not changed.
"""

import importlib
import json
import os
import re
import runpy
import signal
import sys
from typing import Any

STOPPED = "stopped at the chosen place"


def stop_at(event: str, match: str) -> None:
    """Stop this process before an audit event takes place for the first time."""
    pattern = re.compile(match)
    waiting = True

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal waiting
        if waiting and name == event and pattern.search(" ".join(map(str, arguments))):
            waiting = False
            # Past Python's buffers: the process must not be stopped while it holds one of their locks.
            os.write(1, f"{STOPPED}\n".encode())
            os.kill(os.getpid(), signal.SIGSTOP)

    sys.addaudithook(hook)


def make_raise(place: str) -> None:
    """Have a function raise whenever it is called."""
    module, function = place.split(":")

    def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError(f"{function} is broken on purpose")

    setattr(importlib.import_module(module), function, broken)


def main() -> None:
    """Prepare the place and run the flow as `python -m MODULE` does."""
    place, module = json.loads(sys.argv[1]), sys.argv[2]
    if "event" in place:
        stop_at(place["event"], place["match"])
    if "raises" in place:
        make_raise(place["raises"])
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

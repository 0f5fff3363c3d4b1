"""The one error that a person who runs Tessera is meant to read."""


class RunStopped(Exception):
    """A run cannot go on. The message says what was wrong, where, and what to do."""

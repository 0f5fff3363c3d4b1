"""What a run lets through on purpose, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.steps.errors import RunStopped


@dataclass(frozen=True)
class Acceptance:
    """Checks that do not stop a run if they fail.

    Attributes:
        codes: of the checks.
        reason: why, as given by the person who started the run.
    """

    codes: tuple[str, ...] = ()
    reason: str | None = None


def acceptance(codes: Sequence[str] | None, reason: str | None) -> Acceptance:
    """The checks that a run lets through.

    Raises:
        RunStopped: a code cannot be let through, the reason is missing, or there is a reason without a code.
    """
    if not codes:
        if reason:
            raise RunStopped(
                "--reason explains why checks are let through: name them with --accept CODE, or leave --reason out."
            )
        return Acceptance()
    # Imported on use, because Great Expectations takes seconds.
    from expectations.suites import acceptable_codes

    possible = acceptable_codes()
    wrong = sorted(set(codes) - set(possible))
    problems = []
    if wrong:
        problems.append(
            f"--accept {', '.join(wrong)}: this cannot be let through. These checks, which ask whether data are "
            f"plausible, can: {', '.join(possible)}."
        )
    if not (reason and reason.strip()):
        problems.append('Say why a check is let through: --reason "..."; ops_runs and the report will show it.')
    if problems:
        raise RunStopped("\n".join(problems))
    return Acceptance(tuple(dict.fromkeys(codes)), reason.strip())

"""What a run lets through on purpose, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.steps.errors import RunStopped


@dataclass(frozen=True)
class Acceptance:
    """Checks that do not stop a run if they fail.

    Attributes:
        codes: of the checks.
        reason: why, in the words of who started the run.
    """

    codes: tuple[str, ...] = ()
    reason: str | None = None


def acceptance(codes: Sequence[str] | None, reason: str | None) -> Acceptance:
    """What a run is told to let through.

    Raises:
        RunStopped: a code is of no check that can be let through, there is no reason, or a reason for nothing.
    """
    if not codes:
        if reason:
            raise RunStopped("A reason is for checks that are let through: say which, --accept CODE, or leave it out.")
        return Acceptance()
    # Imported on use, for Great Expectations takes seconds.
    from expectations.suites import acceptable_codes

    possible = acceptable_codes()
    wrong = sorted(set(codes) - set(possible))
    problems = []
    if wrong:
        problems.append(
            f"--accept {', '.join(wrong)}: that cannot be let through. What can is whatever asks whether data are "
            f"plausible: {', '.join(possible)}."
        )
    if not (reason and reason.strip()):
        problems.append('Say why a check is let through: --reason "..."; ops_runs and the report will show it.')
    if problems:
        raise RunStopped("\n".join(problems))
    return Acceptance(tuple(dict.fromkeys(codes)), reason.strip())

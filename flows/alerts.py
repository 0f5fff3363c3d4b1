"""List the open alerts, or acknowledge one: python -m flows.alerts [--acknowledge ID --by NAME [--note TEXT]]."""

import argparse
import sys
from pathlib import Path

from flows.steps.command import run_command
from flows.steps.errors import RunStopped
from flows.steps.lock import warehouse_lock
from flows.steps.notify import read_alerts
from flows.steps.operations_log import log_acknowledgement
from flows.steps.project import Project
from flows.steps.release import current_release


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m flows.alerts", description="List alerts, or acknowledge one.")
    parser.add_argument("--acknowledge", metavar="ID", help="alert_id of an alert that goes on")
    parser.add_argument("--by", metavar="NAME", help="who acknowledges it")
    parser.add_argument("--note", metavar="TEXT", help="what to note")
    arguments = parser.parse_args()
    if arguments.acknowledge and not arguments.by:
        parser.error("--acknowledge needs --by NAME")
    if arguments.acknowledge:
        return run_command(lambda: acknowledge(Project(), arguments.acknowledge, arguments.by, arguments.note))
    return run_command(lambda: listed(Project()))


def listed(project: Project) -> str:
    """The open alerts of the current release, by owner.

    Raises:
        RunStopped: there is no release yet.
    """
    going_on = [alert for alert in read_alerts(_release(project)) if alert.state != "resolved"]
    lines = [
        f"{alert.owner}: {alert}{' (acknowledged)' if alert.state == 'acknowledged' else ''}" for alert in going_on
    ]
    return "\n".join([*lines, f"{len(going_on)} open {'alert' if len(going_on) == 1 else 'alerts'}."])


def acknowledge(project: Project, alert_id: str, by: str, note: str | None = None) -> str:
    """Write down that somebody has seen an alert; it shows from the next run on.

    Raises:
        RunStopped: there is no such alert, it is over, or another run has the warehouse.
    """
    states = {alert.alert_id: alert.state for alert in read_alerts(_release(project))}
    if states.get(alert_id) is None:
        raise RunStopped(f"The current release has no alert '{alert_id}'. python -m flows.alerts lists the open ones.")
    if states[alert_id] == "resolved":
        raise RunStopped(f"Alert {alert_id} is over already, so there is nothing to acknowledge.")
    with warehouse_lock(project.warehouse):
        log_acknowledgement(project.warehouse, alert_id, by, note)
    return f"Acknowledged {alert_id} by {by}; fct_alerts shows it after the next run."


def _release(project: Project) -> Path:
    release = current_release(project.serving)
    if release is None:
        raise RunStopped(f"There is no release in {project.serving} yet: python -m flows.daily makes one.")
    return release


if __name__ == "__main__":
    sys.exit(main())

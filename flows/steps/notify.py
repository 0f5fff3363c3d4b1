"""Tells the owners of segments about alerts that are new or over: one digest per owner, through Apprise.

Where to is set by the environment variable TESSERA_NOTIFY, or by the Prefect secret that TESSERA_NOTIFY_BLOCK names, as
YAML: URLs of any of Apprise's services for all owners, or a mapping of owners to URLs, in which ``default`` stands for
those without their own::

    TESSERA_NOTIFY='{crm-lead@example.com: "mailtos://...", default: ["slack://...", "json://..."]}'
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from itertools import groupby
from pathlib import Path

import duckdb
import yaml
from apprise import Apprise, NotifyFormat, NotifyType

from flows.steps import operations_log
from flows.steps.errors import RunStopped, first_line
from flows.steps.project import Project
from flows.steps.release import day_of
from flows.steps.watch import api_url

# Alerts that a digest spells out; the others are counted.
MOST_ALERTS = 20
OPENED, RESOLVED = "opened", "resolved"


@dataclass(frozen=True)
class Alert:
    """An alert as fct_alerts shows it."""

    alert_id: str
    kind: str
    segmentation: str
    segment: str
    feature: str
    observed: float
    expected: float
    first_day: date
    state: str
    owner: str | None
    runbook: str

    def __str__(self) -> str:
        """The alert in a line."""
        return (
            f"{self.kind}: {self.segmentation}, {self.segment}, {self.feature}: {self.observed:.4g} "
            f"where {self.expected:.4g} was expected, since {self.first_day} [{self.alert_id}] {self.runbook}"
        )


def read_alerts(release: Path) -> list[Alert]:
    """All alerts of a release, by owner, the most surprising first."""
    columns = ", ".join(field.name for field in fields(Alert))
    with duckdb.connect(str(release / "tessera.duckdb"), read_only=True) as connection:
        alerts = connection.table("marts.fct_alerts").order("owner, adjusted_p_value, alert_id")
        return [Alert(*row) for row in alerts.select(columns).fetchall()]


def news(alerts: Sequence[Alert], told: set[tuple[str, str]]) -> dict[str, list[tuple[Alert, str]]]:
    """What each owner has not been told yet: open alerts, and the end of those of which they were told."""
    found = []
    for alert in alerts:
        if alert.state == "open" and (alert.alert_id, OPENED) not in told:
            found.append((alert, OPENED))
        if alert.state == "resolved" and (alert.alert_id, OPENED) in told and (alert.alert_id, RESOLVED) not in told:
            found.append((alert, RESOLVED))
    found.sort(key=lambda each: (each[0].owner or "", each[1]))
    return {owner: list(each) for owner, each in groupby(found, key=lambda each: each[0].owner or "nobody")}


def digest(owner: str, events: Sequence[tuple[Alert, str]], as_of_date: str) -> tuple[str, str]:
    """Title and text for an owner."""
    opened = [alert for alert, event in events if event == OPENED]
    resolved = [alert for alert, event in events if event == RESOLVED]
    lines = []
    for title, alerts in (("New:", opened), ("Over:", resolved)):
        if alerts:
            lines += [title, *(f"- {alert}" for alert in alerts[:MOST_ALERTS])]
        if len(alerts) > MOST_ALERTS:
            lines.append(f"- and {len(alerts) - MOST_ALERTS} more, see the mart fct_alerts")
    alerts = "alert" if len(opened) == 1 else "alerts"
    title = f"Segments on {as_of_date}: {len(opened)} new {alerts}, {len(resolved)} over, for {owner}"
    return title, "\n".join(lines)


def targets() -> dict[str, list[str]]:
    """The URLs by owner, under ``default`` those for everybody else; empty where nothing is set.

    Raises:
        RunStopped: what is set is no YAML, or neither URLs nor a mapping to URLs, or Prefect has no API to ask.
    """
    text = os.environ.get("TESSERA_NOTIFY", "")
    block = os.environ.get("TESSERA_NOTIFY_BLOCK")
    if not text and block:
        if not api_url():
            raise RunStopped("TESSERA_NOTIFY_BLOCK names a secret of Prefect's, but PREFECT_API_URL is not set.")
        from prefect.blocks.system import Secret

        text = str(Secret.load(block).get())
    try:
        given = yaml.safe_load(text) if text else {}
    except yaml.YAMLError:
        # YAML's own message would show the text, and with it passwords.
        raise RunStopped("TESSERA_NOTIFY is not YAML. Give a URL, a list of URLs, or {owner: URLs}.") from None
    if not isinstance(given, Mapping):
        given = {"default": given}
    found = {str(owner): [urls] if isinstance(urls, str) else urls for owner, urls in given.items()}
    if not all(isinstance(urls, list) and all(isinstance(url, str) for url in urls) for urls in found.values()):
        raise RunStopped("TESSERA_NOTIFY holds something else than URLs. Give a URL, a list of URLs, or {owner: URLs}.")
    return found


def send(url: str, title: str, body: str) -> bool:
    """Send a message to a URL; whether it took it."""
    service = Apprise()
    # As text, which Apprise escapes where the service takes HTML.
    message = {"body": body, "title": title, "body_format": NotifyFormat.TEXT}
    return service.add(url) and bool(service.notify(**message, notify_type=NotifyType.WARNING))


def notify(project: Project, release: Path, run_id: str, report: Callable[[str], None]) -> int:
    """Send each owner what they have not been told yet, and write down what at least one of their URLs took.

    Nothing here stops a run: the release is out. What fails is a warning, and tried again after the next run.

    Returns:
        The number of digests sent.
    """
    sent = 0
    try:
        urls = targets()
        if not urls:
            return 0
        as_of_date = str(day_of(release))
        for owner, events in news(read_alerts(release), operations_log.told_events(project.warehouse)).items():
            own_urls = urls.get(owner, urls.get("default", []))
            if not own_urls:
                report(f"warning: {len(events)} alerts for {owner}, for whom TESSERA_NOTIFY has no URL")
                continue
            title, text = digest(owner, events, as_of_date)
            failed = [number for number, url in enumerate(own_urls, start=1) if not send(url, title, text)]
            if len(failed) == len(own_urls):
                report(
                    f"warning: the digest of alerts for {owner} could not be sent; it is tried again after the next run"
                )
                continue
            if failed:
                # By their places: a URL may hold a password.
                report(
                    f"warning: the digest of alerts for {owner} could not be sent to URLs "
                    f"{', '.join(map(str, failed))} of {len(own_urls)} that TESSERA_NOTIFY has for them; the others "
                    "took it, and it is not sent again"
                )
            told = [(alert.alert_id, event) for alert, event in events]
            operations_log.log_notifications(project.warehouse, run_id, owner, told)
            sent += 1
    # Whatever goes wrong between a block and a mail server, the release is out and stays out.
    except Exception as error:
        report(f"warning: alerts could not be sent: {type(error).__name__}: {first_line(error)}")
    return sent

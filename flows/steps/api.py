"""Prefect's API watches a run. It must not take one down with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.steps.errors import RunStopped
from flows.steps.project import Project
from flows.steps.release import current_release


def call_flow(flow: Callable[..., str], **parameters: object) -> str:
    """Call a flow, and count what it released where Prefect's API went away meanwhile; returns what it says.

    Raises:
        RunStopped: a step failed, or the API went away and there is no release.
    """
    serving = Project().serving
    before = current_release(serving)
    with answering_api():
        url = PREFECT_API_URL.value()
        try:
            return flow(**parameters)
        except httpx.TransportError as error:
            after = current_release(serving)
            if after is None or after == before:
                raise RunStopped(
                    f"Prefect's API ({url}) went away: {error}. Nothing was released. Run again; "
                    "without PREFECT_API_URL a run needs no server."
                ) from error
            return (
                f"Released {after.name}. Prefect's API ({url}) went away meanwhile and does not know how the run ended."
            )


@contextmanager
def answering_api() -> Iterator[None]:
    """Put a temporary API in the place of the one that is set, if that does not answer."""
    url = PREFECT_API_URL.value()
    if url is None or _answers(url):
        yield
        return
    print(f"Prefect's API ({url}) does not answer: this run has a temporary one, and that one will not know of it.")
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=10).status_code < 500
    except httpx.TransportError:
        return False

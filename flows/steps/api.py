"""Prefect's API watches a run. It must not take one down with it."""

from collections.abc import Callable

from flows.steps.errors import RunStopped
from flows.steps.project import Project
from flows.steps.release import current_release
from flows.steps.termination import ended_by_sigterm
from flows.steps.watch import api_url, without_api


def call_flow(flow: Callable[..., str], **parameters: object) -> str:
    """Call a flow, and count what it released where Prefect's API went away meanwhile; returns what it says.

    Without an API, or if it does not answer, the flow is a plain function.

    Raises:
        RunStopped: a step failed, or the API went away and there is no release.
    """
    url = api_url()
    if url and _answers(url):
        return _call_watched(flow, url, parameters)
    if url:
        print(f"Prefect's API ({url}) does not answer: this run goes without it, and it will not know of the run.")
    with without_api(), ended_by_sigterm():
        return flow(**parameters)


def _call_watched(flow: Callable[..., str], url: str, parameters: dict[str, object]) -> str:
    import httpx

    serving = Project().serving
    before = current_release(serving)
    try:
        return flow(**parameters)
    except RunStopped:
        raise
    except Exception as error:
        after = current_release(serving)
        is_gone = isinstance(error, httpx.TransportError)
        if after is not None and after != before:
            what = "went away meanwhile" if is_gone else f"failed meanwhile ({type(error).__name__})"
            return f"Released {after.name}. Prefect's API ({url}) {what} and does not know how the run ended."
        if not is_gone:
            raise
        raise RunStopped(
            f"Prefect's API ({url}) went away: {error}. Nothing was released. Run again; "
            "without PREFECT_API_URL a run needs no server."
        ) from error


def _answers(url: str) -> bool:
    import httpx

    try:
        return httpx.get(f"{url}/health", timeout=10).status_code < 500
    except httpx.TransportError:
        return False

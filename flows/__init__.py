"""Prefect flows that run Tessera, daily and backfill, and its commands, such as rollback, plan, explain and alerts.

Flows call and report; what they call computes: dbt the models, Great Expectations the checks. What the commands know of
rules is in flows.rules.
"""

import os

# A flow without a server of its own starts a temporary one, which can take longer than Prefect allows by default.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

"""The flows that run Tessera, daily, backfill and erase, and the commands beside them, one a file.

Flows call and report; what they call computes: dbt the models, Great Expectations the checks. What the commands know of
rules is in flows.rules.
"""

import os

# A server that restarts is waited for at each call; one that is gone must not hold a finished run up for minutes.
os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "3")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

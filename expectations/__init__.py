"""Great Expectations: is delivered and published data plausible?

dbt tables in the schema `checks` measure; the suites here judge what they measured.
Suites hold names and limits, no SQL.

- `parameters`: every limit, with its reason
- `suites`: one function per table that builds its suite
- `dialect`: how Great Expectations reads a DuckDB file
- `runner`: `Gate`, which runs the suites of a gate and says in words what is wrong
- `docs`: the static pages that show the results

Importing Great Expectations takes about 7 s: `parameters` and `runner` do it only when a `Gate` is made.
"""

import os

# Before the first import of great_expectations, which reads it: send no usage statistics.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

"""What to look at: open alerts, features that drift, personas that no longer fit, checks."""

import pandas as pd
from markupsafe import Markup

from flows.report import charts, tables, words
from flows.report.marts import Marts

# What an alert says where more was found than expected, and where less.
KINDS = {
    "distribution": ("distribution has drifted", "distribution has drifted"),
    "size": ("size rose", "size fell"),
    "level": ("average rose", "average fell"),
    "share_explained": ("divides value better", "divides value less well"),
    "response_rate": ("responds more", "responds less"),
    "persona": ("persona no longer fits", "persona no longer fits"),
    "outgrown": ("segmentation is outgrown", "segmentation is outgrown"),
}
ALERTS_SHOWN = 10
FEATURES_LISTED = 2
DRIFTS_SHOWN = 12


def alerts(marts: Marts) -> dict[str, object]:
    """Alerts that are not resolved as tables, a row per kind and segment, the newest first; and how many they are."""
    rows = marts.table("fct_alerts", "state <> 'resolved'")
    rows = rows.sort_values(["score", "segmentation", "segment", "feature"], key=_size, ascending=[False] + [True] * 3)
    rows["what"] = [KINDS.get(row.kind, (row.kind, row.kind))[row.observed < row.expected] for row in rows.itertuples()]
    # A segment that changes shows it in several features: one row tells of all, the farthest first.
    together = [own for _, own in rows.groupby(["kind", "what", "segmentation", "segment"], sort=False)]
    together.sort(key=lambda own: own["first_day"].max(), reverse=True)
    shown = pd.DataFrame(
        [
            {
                "What": own["what"].iloc[0],
                "Where": _where(marts, own.iloc[0]),
                "Of what": _listed([words.feature(feature) for feature in own["feature"]]),
                "Found": float(own["observed"].iloc[0]),
                "Expected": float(own["expected"].iloc[0]),
                "Since": words.short_day(pd.to_datetime(own["first_day"]).min().date()),
                "Last seen": words.short_day(pd.to_datetime(own["last_day"]).max().date()),
                "Owner": own["owner"].iloc[0],
                "State": " and ".join(sorted(own["state"].unique())),
            }
            for own in together
        ]
    )
    return {
        "total": len(rows),
        "acknowledged": int((rows["state"] == "acknowledged").sum()),
        "patience": _patience(marts),
        "rows": len(shown),
        "shown": min(len(shown), ALERTS_SHOWN),
        "newest": _alert_table(shown.head(ALERTS_SHOWN), "open-alerts"),
        "older": _alert_table(shown.iloc[ALERTS_SHOWN:], "older-alerts"),
        "sight": _sight(marts),
    }


def _patience(marts: Marts) -> int | None:
    """After how many judged days without it an alert is resolved, as those show that were; None before any."""
    resolved = marts.table("fct_alerts", "resolved_on is not null")[["alert_id", "kind", "last_day", "resolved_on"]]
    judged = marts.connection.table("marts.fct_alert_tests").project("kind, as_of_date").distinct().df()
    days = resolved.merge(judged, on="kind").query("last_day < as_of_date <= resolved_on")
    # The most: those of a kind that is not judged any more are resolved by the calendar.
    return int(days.groupby("alert_id").size().max()) if len(days) else None


def _sight(marts: Marts) -> dict[str, object] | None:
    """How much a segment's size must change to be an alert, the worst watched first; None where that is not known."""
    rows = marts.table("fct_alert_tests", f"kind = 'size' and as_of_date = date '{marts.as_of}'")
    # Releases of earlier versions do not tell.
    rows = rows.dropna(subset=["detectable_change"]) if "detectable_change" in rows else rows.head(0)
    if rows.empty:
        return None
    rows = rows.sort_values(
        ["detectable_change", "segmentation", "segment"], ascending=[False, True, True], ignore_index=True
    )
    changes = rows["detectable_change"]
    where = [_where(marts, row) for row in rows.itertuples()]
    column = "An overnight change is seen from"
    table = pd.DataFrame({"Segment": where, "Customers": rows["observed"], column: changes})
    half = f"of {changes.quantile(interpolation='higher'):.0%} in {'half of them' if len(rows) > 1 else 'it'}"
    return {
        "text": (
            f"{words.count(len(rows), 'segment')} {'was' if len(rows) == 1 else 'were'} judged by size. On a day "
            f"without other alerts an overnight change {half} would have been one; in {where[0]} it takes "
            f"{changes[0]:.0%}{', so that no fall is seen' if changes[0] > 1 else ''}."
        ),
        "table": Markup(tables.table(table, "sight-table", integers=["Customers"], percents=[column])),
    }


def _size(column: pd.Series) -> pd.Series:
    return column.abs() if column.name == "score" else column


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - FEATURES_LISTED} more" if len(names) > FEATURES_LISTED else ""
    return ", ".join(names[:FEATURES_LISTED]) + more


def _alert_table(rows: pd.DataFrame, name: str) -> Markup | None:
    return Markup(tables.table(rows, name, figures=["Found", "Expected"])) if len(rows) else None


def drift(marts: Marts) -> dict[str, object] | None:
    """The features that lie farthest from their baseline on the last day; None without a baseline."""
    rows = marts.table("fct_segment_drift", f"as_of_date = date '{marts.as_of}'")
    rows = rows[rows["baseline_customers"].gt(0) & rows["psi"].notna()]
    # Of so many tests some come out by chance: the alerts of the day allow for that.
    keys = ["segmentation", "segment", "feature"]
    tests = marts.table("fct_alert_tests", f"kind = 'distribution' and as_of_date = date '{marts.as_of}'")
    rows = rows.merge(tests[[*keys, "is_alert"]], on=keys, how="left")
    rows["is_alert"] = rows["is_alert"].eq(True)
    if rows.empty:
        return None
    farthest = rows.sort_values(["psi", "segmentation", "segment", "feature"], ascending=[False, True, True, True])
    farthest = farthest.head(DRIFTS_SHOWN)
    shown = pd.DataFrame(
        {
            "where": [f"{_where(marts, row)}: {words.feature(row.feature)}" for row in farthest.itertuples()],
            "psi": farthest["psi"].astype(float).tolist(),
            "limit": farthest["critical_psi"].astype(float).tolist(),
            "drifted": farthest["is_alert"].tolist(),
            "then": farthest["baseline_mean"].astype(float).tolist(),
            "now": farthest["mean"].astype(float).tolist(),
        }
    )
    text = _drifted(len(rows), int(rows["is_alert"].sum()), int(rows["is_drifted"].sum()))
    table = shown.rename(
        columns={"where": "Where", "psi": "Index", "limit": "By chance below", "then": "Mean then", "now": "Mean now"}
    )
    table["Drifted"] = ["yes" if drifted else "no" for drifted in shown["drifted"]]
    baselines = pd.to_datetime(rows["baseline_date"]).dt.date
    return {
        "text": text,
        "baseline": words.span(baselines.min(), baselines.max()),
        "chart": Markup(charts.svg(charts.drift(shown), f"Population stability index of the farthest. {text}")),
        "table": Markup(
            tables.table(
                table.drop(columns="drifted"),
                "drift-table",
                figures=["Index", "By chance below", "Mean then", "Mean now"],
            )
        ),
    }


def _drifted(total: int, alerts: int, alone: int) -> str:
    found = f"{alerts:,} of {total:,} distributions {'has' if alerts == 1 else 'have'}" if alerts else (
        f"None of {words.count(total, 'distribution')} has"
    )  # fmt: skip
    text = f"{found} drifted from the baseline, chance in so many tests allowed for."
    if alone <= alerts:
        return text
    return f"{text} Tested one by one {alone:,} would be called so, but of so many some are by chance."


def broken_claims(marts: Marts, segmentation: str) -> dict[str, list[str]]:
    """What personas claim and the data do not bear out, by segment."""
    rows = marts.table("fct_persona_claims", f"holds = false and segmentation = '{segmentation}'")
    rows = rows.sort_values(["segment", "feature"])
    told: dict[str, list[str]] = {}
    for row in rows.itertuples():
        claim = f"mostly {row.claimed_value}" if row.claim == "mostly" else f"{row.claim} all customers"
        told.setdefault(row.segment, []).append(f"{words.feature(row.feature)} {claim}")
    return told


def checks(marts: Marts) -> dict[str, object]:
    """The results of the run's checks; those that did not pass one by one, and why some were let through."""
    found = marts.table("ops_checks")
    run_id = found["run_id"].max()
    own = found[found["run_id"] == run_id]
    # A release of an earlier version lets nothing through.
    accepted = own["was_accepted"] if "was_accepted" in own else own["status"] == "accepted"
    run = marts.table("ops_runs", f"run_id = '{run_id}'") if accepted.any() else None
    others = own[own["status"] != "passed"].sort_values(["severity", "suite", "code"])
    return {
        "total": len(own),
        "passed": int((own["status"] == "passed").sum()),
        "accepted": int(accepted.sum()),
        "reason": str(run["accepted_reason"].iloc[0]) if run is not None else "",
        "others": [
            {"code": row.code, "mart": row.mart, "description": row.description, "was_accepted": accepted[row.Index]}
            | {"observed": words.prose(str(row.observed)), "expected": words.prose(str(row.expected))}
            for row in others.itertuples()
        ],
        "suites": own.groupby("suite").agg(total=("code", "size")).reset_index().to_dict("records"),
    }


def _where(marts: Marts, row: object) -> str:
    names = dict(zip(marts.segmentations["segmentation"], marts.segmentations["label"], strict=True))
    segmentation = names.get(row.segmentation, row.segmentation)
    return segmentation if row.segment == "(all)" else f"{segmentation}, {marts.labels[row.segmentation, row.segment]}"

"""What to look at: open alerts, features that drift, personas that no longer fit, checks."""

import pandas as pd
from markupsafe import Markup

from flows.report import charts, tables, words
from flows.report.marts import Marts

KINDS = {
    "distribution": "distribution has drifted",
    "size": "size jumps",
    "level": "average jumps",
    "share_explained": "divides value less well",
    "response_rate": "responds less",
    "persona": "persona no longer fits",
    "outgrown": "segmentation is outgrown",
}
ALERTS_SHOWN = 10
FEATURES_LISTED = 2
DRIFTS_SHOWN = 12


def alerts(marts: Marts) -> dict[str, object]:
    """Alerts that are not resolved as tables, a row per kind and segment, the newest first; and how many they are."""
    rows = marts.table("fct_alerts", "state <> 'resolved'")
    rows = rows.sort_values(["score", "segmentation", "segment", "feature"], key=_size, ascending=[False] + [True] * 3)
    # A segment that changes shows it in several features: one row tells of all, the farthest first.
    together = [own for _, own in rows.groupby(["kind", "segmentation", "segment"], sort=False)]
    together.sort(key=lambda own: own["first_day"].max(), reverse=True)
    shown = pd.DataFrame(
        [
            {
                "What": KINDS.get(own["kind"].iloc[0], own["kind"].iloc[0]),
                "Where": _where(marts, own.iloc[0]),
                "Of what": _listed([feature.replace("_", " ") for feature in own["feature"]]),
                "Found": float(own["observed"].iloc[0]),
                "Expected": float(own["expected"].iloc[0]),
                "Since": words.short_day(pd.to_datetime(own["first_day"]).min().date()),
                "Owner": own["owner"].iloc[0],
                "State": " and ".join(sorted(own["state"].unique())),
            }
            for own in together
        ]
    )
    return {
        "total": len(rows),
        "rows": len(shown),
        "shown": min(len(shown), ALERTS_SHOWN),
        "newest": _alert_table(shown.head(ALERTS_SHOWN), "open-alerts"),
        "older": _alert_table(shown.iloc[ALERTS_SHOWN:], "older-alerts"),
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
    if rows.empty:
        return None
    farthest = rows.sort_values(["psi", "segmentation", "segment", "feature"], ascending=[False, True, True, True])
    farthest = farthest.head(DRIFTS_SHOWN)
    shown = pd.DataFrame(
        {
            "where": [f"{_where(marts, row)}: {row.feature.replace('_', ' ')}" for row in farthest.itertuples()],
            "psi": farthest["psi"].astype(float).tolist(),
            "limit": farthest["critical_psi"].astype(float).tolist(),
            "drifted": farthest["is_drifted"].astype(bool).tolist(),
            "then": farthest["baseline_mean"].astype(float).tolist(),
            "now": farthest["mean"].astype(float).tolist(),
        }
    )
    drifted = int(rows["is_drifted"].sum())
    text = (
        f"{drifted:,} of {len(rows):,} distributions have drifted from their baseline by more than chance and "
        "by enough to matter."
    )
    table = shown.rename(
        columns={"where": "Where", "psi": "Index", "limit": "By chance below", "then": "Mean then", "now": "Mean now"}
    )
    return {
        "text": text,
        "baseline": words.day(pd.to_datetime(farthest["baseline_date"].min()).date()),
        "chart": Markup(charts.svg(charts.drift(shown), f"Population stability index of the farthest. {text}")),
        "table": Markup(
            tables.table(
                table.drop(columns="drifted"),
                "drift-table",
                figures=["Index", "By chance below", "Mean then", "Mean now"],
            )
        ),
    }


def broken_claims(marts: Marts, segmentation: str) -> dict[str, list[str]]:
    """What personas claim and the data do not bear out, by segment."""
    rows = marts.table("fct_persona_claims", f"holds = false and segmentation = '{segmentation}'")
    rows = rows.sort_values(["segment", "feature"])
    told: dict[str, list[str]] = {}
    for row in rows.itertuples():
        claim = f"mostly {row.claimed_value}" if row.claim == "mostly" else f"{row.claim} all customers"
        told.setdefault(row.segment, []).append(f"{row.feature.replace('_', ' ')} {claim}")
    return told


def checks(marts: Marts) -> dict[str, object]:
    """What the checks of the run found; those that did not pass one by one."""
    found = marts.table("ops_checks")
    own = found[found["run_id"] == found["run_id"].max()]
    others = own[own["status"] != "passed"].sort_values(["severity", "suite", "code"])
    return {
        "total": len(own),
        "passed": int((own["status"] == "passed").sum()),
        "others": others[["code", "mart", "description", "observed", "expected"]].to_dict("records"),
        "suites": own.groupby("suite").agg(total=("code", "size")).reset_index().to_dict("records"),
    }


def _where(marts: Marts, row: object) -> str:
    names = dict(zip(marts.segmentations["segmentation"], marts.segmentations["label"], strict=True))
    segmentation = names.get(row.segmentation, row.segmentation)
    return segmentation if row.segment == "(all)" else f"{segmentation}, {marts.labels[row.segmentation, row.segment]}"

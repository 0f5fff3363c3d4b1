"""How features are distributed in every segment, and in all customers together."""

from macros.python.distributions import distributions


def model(dbt, session):
    """One row per segmentation, segment and feature."""
    dbt.config(materialized="table", tags=["weekly"])
    inputs = dbt.ref("profile_inputs")
    features = sorted(column for column in inputs.columns if column != "combination")
    segments: dict[str, dict[int, str]] = {}
    for combination, segmentation, segment, _ in dbt.ref("profiled_segments").fetchall():
        segments.setdefault(segmentation, {})[combination] = segment
    return distributions(
        features,
        lambda names: inputs.project(", ".join(f'"{name}"' for name in names)).fetchnumpy(),
        segments,
    )

"""What rules are about, for Python: the columns of rule_inputs, one row per customer."""

from collections.abc import Sequence

from macros.python.rules import sql
from macros.python.rules.tree import Feature, Segmentation


def column_of(feature: Feature, number: int) -> str:
    """The column with a feature's value; scores by frozen cut points are the segmentation's own."""
    return f"frozen_{number}_{feature.name}" if feature.score_of else feature.name


def waiting_column(number: int) -> str:
    """The column with the segment that counts of those who wait for the confirmation of a move, else null."""
    return f"waiting_{number}"


def features_in(segmentations: Sequence[Segmentation]) -> dict[str, tuple[Feature, int]]:
    """The features that rules are about, by column, each with the place of a segmentation that it is of."""
    return {
        column_of(clause.feature, number): (clause.feature, number)
        for number, segmentation in enumerate(segmentations)
        for clause in segmentation.clauses
    }


def values_sql(segmentations: Sequence[Segmentation], dialect: sql.Dialect) -> dict[str, str]:
    """The customers' values of these features as SQL, by column."""
    return {
        column: sql.feature_sql(feature, dialect, f"score_cut_points_{number}")
        for column, (feature, number) in features_in(segmentations).items()
    }


def score_joins(segmentations: Sequence[Segmentation]) -> list[str]:
    """The cut points by which these features are scored, joined to customer_features, line by line."""
    lines = []
    for number, segmentation in enumerate(segmentations):
        if any(clause.feature.score_of for clause in segmentation.clauses):
            day = sql.cut_point_day(segmentation, "customer_features.as_of_date")
            lines += [
                f"left join score_cut_points as score_cut_points_{number}",
                f"    on {day} = score_cut_points_{number}.as_of_date",
            ]
    return lines


def inputs_sql(segmentations: Sequence[Segmentation], dialect: sql.Dialect) -> str:
    """What follows the imports of rule_inputs: customer_features of one day, waiting_segments, score_cut_points.

    Numbers are doubles, dates days since 1970 as doubles, all else is text.
    """
    confirmed = [number for number, each in enumerate(segmentations) if each.confirm_days > 1]
    values = values_sql(segmentations, dialect)
    kinds = {column: feature.kind for column, (feature, _) in features_in(segmentations).items()}
    lines = []
    if confirmed:
        lines += ["waiting_customers as (", "", "    select", "        customer_id,"]
        lines += _listed(
            8,
            [
                f"max(case when segmentation = '{segmentations[number].name}' then segment end) "
                f"as {waiting_column(number)}"
                for number in confirmed
            ],
        )
        lines += ["    from waiting_segments", "    group by customer_id", "", "),", ""]
    columns = [
        "customer_features.customer_id",
        "customer_features.as_of_date",
        *(f"{_comparable(value, kinds[column], dialect)} as {column}" for column, value in values.items()),
        *(f"waiting_customers.{waiting_column(number)}" for number in confirmed),
    ]
    query = ["select", *_listed(4, columns), "from customer_features"]
    if confirmed:
        query += ["left join waiting_customers", "    on customer_features.customer_id = waiting_customers.customer_id"]
    query += score_joins(segmentations)
    lines += ["inputs as (", "", *(f"    {line}" for line in query), "", ")", "", "select * from inputs"]
    return "\n".join(lines)


def _listed(indent: int, columns: Sequence[str]) -> list[str]:
    last = len(columns) - 1
    return [f"{' ' * indent}{column}{',' if place < last else ''}" for place, column in enumerate(columns)]


def _comparable(value: str, kind: str, dialect: sql.Dialect) -> str:
    if kind == "number":
        return f"cast({value} as double)"
    if kind == "date":
        days = dialect.days_between("cast('1970-01-01' as date)", value)
        return f"cast({days} as double)"
    return f"cast({value} as {dialect.text})"

"""Explanations as SQL: the fits of segment_fits by the names of segments, and each customer's in words."""

from collections.abc import Sequence

from macros.python.rules import sql
from macros.python.rules.inputs import column_of, features_in, score_joins, values_sql
from macros.python.rules.tree import Clause, Feature, Segment, Segmentation, signed_leaves


def segment_explanations_sql(segmentations: Sequence[Segmentation], dialect: sql.Dialect) -> str:
    """What follows the imports of segment_explanations: segment_fits, waiting_segments and segment_versions.

    Columns: customer_id, segmentation, rule_version, segment (which counts), rule_segment (which the rules decide),
    held_clauses, fit, nearest_segment, change.
    """
    fits = "\n    union all\n".join(_fits_of(each, number, dialect) for number, each in enumerate(segmentations))
    return f"fits as (\n\n{fits}\n\n)\n\n{NAMED}"


def _fits_of(segmentation: Segmentation, number: int, dialect: sql.Dialect) -> str:
    columns = ("decided", "held", "fit", "nearest", "change")
    lines = [
        "select",
        "    customer_id,",
        f"    cast('{segmentation.name}' as {dialect.text}) as segmentation,",
        f"    cast('{segmentation.rule_version}' as {dialect.text}) as rule_version,",
        *(f"    {column}_{number} as {column}{',' if column != columns[-1] else ''}" for column in columns),
        "from segment_fits",
    ]
    return "\n".join(f"    {line}" for line in lines)


NAMED = """select
    fits.customer_id,
    fits.segmentation,
    fits.rule_version,
    coalesce(waiting_segments.segment, decided.segment) as segment,
    decided.segment as rule_segment,
    fits.held as held_clauses,
    fits.fit,
    nearest.segment as nearest_segment,
    fits.change
from fits
inner join segment_versions as decided
    on
        fits.segmentation = decided.segmentation
        and fits.rule_version = decided.rule_version
        and fits.decided = decided.position
left join segment_versions as nearest
    on
        fits.segmentation = nearest.segmentation
        and fits.rule_version = nearest.rule_version
        and fits.nearest = nearest.position
left join waiting_segments
    on
        fits.customer_id = waiting_segments.customer_id
        and fits.segmentation = waiting_segments.segmentation"""


def told_ctes(segmentations: Sequence[Segmentation], dialect: sql.Dialect) -> str:
    """Common table expressions, the last told: the rows of segment_explanations in words.

    They read segment_explanations, customer_features of the day, score_cut_points, rule_changes and pattern_texts.
    """
    return "\n\n".join([_feature_texts(segmentations, dialect), _explained_cte(segmentations), TOLD])


def _feature_texts(segmentations: Sequence[Segmentation], dialect: sql.Dialect) -> str:
    features = features_in(segmentations)
    lines = ["feature_texts as (", "", "    select"]
    for column, value in values_sql(segmentations, dialect).items():
        *before, last = _value_text(value, features[column][0], dialect)
        lines += [f"        {line}" for line in (*before, f"{last} as {column},")]
    lines += ["        customer_features.customer_id", "    from customer_features"]
    return "\n".join([*lines, *(f"    {line}" for line in score_joins(segmentations)), "", "),"])


def _value_text(value: str, feature: Feature, dialect: sql.Dialect) -> list[str]:
    """A value as text: a number without needless decimals."""
    if feature.kind != "number" or feature.is_whole:
        return [f"cast({value} as {dialect.text})"]
    return [
        "case",
        f"    when {value} = floor({value})",
        f"        then cast(cast({value} as bigint) as {dialect.text})",
        f"    else cast(round({value}, 4) as {dialect.text})",
        "end",
    ]


def _explained_cte(segmentations: Sequence[Segmentation]) -> str:
    whens = [line for number, each in enumerate(segmentations) for line in _values_of(each, number)]
    columns = features_in(segmentations)
    lines = [
        "explained as (",
        "",
        "    select",
        "        segment_explanations.*,",
        "        rule_changes.feature as change_feature,",
    ]
    lines += ["        rule_changes.change_to,"]
    if columns:
        lines += ["        case rule_changes.column_name"]
        lines += [f"            when '{column}' then feature_texts.{column}" for column in columns]
        lines += ["        end as change_from,"]
    else:
        lines += ["        rule_changes.change_to as change_from,"]
    lines += (
        ["        case", *whens, "        end as clause_values"]
        if whens
        else ["        rule_changes.change_to as clause_values"]
    )
    lines += [
        "    from segment_explanations",
        "    inner join feature_texts",
        "        on segment_explanations.customer_id = feature_texts.customer_id",
        "    left join rule_changes",
        "        on",
        "            segment_explanations.segmentation = rule_changes.segmentation",
        "            and segment_explanations.change = rule_changes.change",
        "",
        "),",
    ]
    return "\n".join(lines)


def _values_of(segmentation: Segmentation, number: int) -> list[str]:
    """What the rule of each segment is about, as the customer has it."""
    lines = []
    for segment in segmentation.segments:
        if found := _features_of(segment, segmentation.bits):
            texts = [
                f"'{feature.name} ' || coalesce(feature_texts.{column_of(feature, number)}, 'missing')"
                for feature in found
            ]
            lines += [
                "            when",
                f"                segment_explanations.segmentation = '{segmentation.name}'",
                f"                and segment_explanations.rule_segment = '{segment.name}'",
                "                then",
                f"                    {texts[0]}",
                *(f"                    || ', {text[1:]}" for text in texts[1:]),
            ]
    return lines


def _features_of(segment: Segment, bits: dict[str, int]) -> list[Feature]:
    leaves = [leaf for leaf, _ in signed_leaves(segment.rule)] if segment.rule else []
    ordered = sorted(leaves, key=lambda leaf: bits[str(leaf)])
    return list({leaf.feature.name: leaf.feature for leaf in ordered if isinstance(leaf, Clause)}.values())


TOLD = """told as (

    select
        explained.*,
        pattern_texts.deciding_clauses,
        pattern_texts.missed_rules,
        case
            when explained.segment = explained.rule_segment then ''
            else 'Still counts as ' || explained.segment || '. '
        end
        || explained.rule_segment || ': ' || coalesce(pattern_texts.deciding_clauses, 'no rule holds')
        || coalesce(', with ' || explained.clause_values, '')
        || coalesce('. Missed: ' || pattern_texts.missed_rules, '')
        || coalesce(
            '. Nearest: ' || explained.nearest_segment || coalesce(
                ', if ' || explained.change_feature || ' were ' || explained.change_to || ' instead of '
                || coalesce(explained.change_from, 'missing'),
                case
                    when explained.nearest_segment = explained.rule_segment then ', where the rules put them already'
                    else ', by no change of a single feature'
                end
            ),
            ''
        ) || '.' as explanation
    from explained
    left join pattern_texts
        on
            explained.segmentation = pattern_texts.segmentation
            and explained.rule_segment = pattern_texts.rule_segment
            and explained.held_clauses = pattern_texts.held_clauses

)"""

with segmentation_versions as (

    select * from {{ ref('segmentation_versions') }}

),

versions_in_force as (

    select
        segmentation,
        rule_version,
        min(as_of_date) as first_as_of_date,
        max(as_of_date) as last_as_of_date
    from {{ ref('segmentation_days') }}
    group by
        segmentation,
        rule_version

),

moves as (

    select
        segmentation,
        rule_version,
        cast(sum(moves) as bigint) as moves,
        cast(sum(reversed_moves) as bigint) as reversed_moves
    from {{ ref('segmentation_moves') }}
    group by
        segmentation,
        rule_version

)

select
    segmentation_versions.segmentation,
    segmentation_versions.label,
    segmentation_versions.description,
    segmentation_versions.owner,
    -- The catalogue knows it as it was on its last day.
    case
        when
            segmentation_versions.segmentation in {{ sql_texts(segmentations()) }}
            then segmentation_versions.status
        else 'retired'
    end as status,
    segmentation_versions.challenger_of,
    segmentation_versions.confirm_days,
    segmentation_versions.cut_points_frozen_on,
    segmentation_versions.rule_version,
    versions_in_force.first_as_of_date,
    versions_in_force.last_as_of_date,
    versions_in_force.last_as_of_date = {{ last_date() }} as is_current,
    segmentation_versions.segment_count,
    coalesce(moves.moves, 0) as moves,
    moves.reversed_moves / nullif(cast(moves.moves as double), 0) as flapping_rate
from segmentation_versions
inner join versions_in_force
    on
        segmentation_versions.segmentation = versions_in_force.segmentation
        and segmentation_versions.rule_version = versions_in_force.rule_version
left join moves
    on
        segmentation_versions.segmentation = moves.segmentation
        and segmentation_versions.rule_version = moves.rule_version

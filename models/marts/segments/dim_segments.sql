with segment_versions as (

    select * from {{ ref('segment_versions') }}

),

dim_segmentations as (

    select * from {{ ref('dim_segmentations') }}

)

select
    segment_versions.segmentation,
    segment_versions.segment,
    segment_versions.label,
    segment_versions.position,
    segment_versions.is_default,
    segment_versions.is_immediate,
    segment_versions.rule,
    segment_versions.rule_text,
    segment_versions.description,
    segment_versions.persona,
    segment_versions.owner,
    segment_versions.strategy_approach,
    segment_versions.strategy_offer,
    segment_versions.strategy_channels,
    segment_versions.rule_version,
    dim_segmentations.is_current
from segment_versions
inner join dim_segmentations
    on
        segment_versions.segmentation = dim_segmentations.segmentation
        and segment_versions.rule_version = dim_segmentations.rule_version

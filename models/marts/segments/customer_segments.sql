with recent_spells as (

    select * from {{ ref('recent_spells') }}
    where is_current

),

dim_segmentations as (

    select * from {{ ref('dim_segmentations') }}
    where is_current

),

segment_explanations as (

    select * from {{ ref('segment_explanations') }}

)

select
    recent_spells.customer_id,
    recent_spells.segmentation,
    recent_spells.segment,
    segment_explanations.rule_segment,
    recent_spells.previous_segment,
    recent_spells.valid_from as entered_on,
    {{ days_between('recent_spells.valid_from', last_date()) }} as days_in_segment,
    segment_explanations.fit,
    segment_explanations.nearest_segment,
    dim_segmentations.rule_version,
    {{ last_date() }} as as_of_date
from recent_spells
inner join dim_segmentations
    on recent_spells.segmentation = dim_segmentations.segmentation
left join segment_explanations
    on
        recent_spells.customer_id = segment_explanations.customer_id
        and recent_spells.segmentation = segment_explanations.segmentation

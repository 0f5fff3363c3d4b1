with segment_spells as (

    select * from {{ ref('segment_spells') }}
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
    segment_spells.customer_id,
    segment_spells.segmentation,
    segment_spells.segment,
    segment_explanations.rule_segment,
    segment_spells.previous_segment,
    segment_spells.valid_from as entered_on,
    {{ days_between('segment_spells.valid_from', last_date()) }} as days_in_segment,
    segment_explanations.fit,
    segment_explanations.nearest_segment,
    dim_segmentations.rule_version,
    {{ last_date() }} as as_of_date
from segment_spells
inner join dim_segmentations
    on segment_spells.segmentation = dim_segmentations.segmentation
left join segment_explanations
    on
        segment_spells.customer_id = segment_explanations.customer_id
        and segment_spells.segmentation = segment_explanations.segmentation

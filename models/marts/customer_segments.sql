with segment_spells as (

    select * from {{ ref('segment_spells') }}
    where is_current

),

dim_segmentations as (

    select * from {{ ref('dim_segmentations') }}
    where is_current

)

select
    segment_spells.customer_id,
    segment_spells.segmentation,
    segment_spells.segment,
    segment_spells.previous_segment,
    segment_spells.valid_from as entered_on,
    {{ days_between('segment_spells.valid_from', last_date()) }} as days_in_segment,
    dim_segmentations.rule_version,
    {{ last_date() }} as as_of_date
from segment_spells
inner join dim_segmentations
    on segment_spells.segmentation = dim_segmentations.segmentation

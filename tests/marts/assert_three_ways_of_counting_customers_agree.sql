-- customer_segments, open spells and the last day of fct_segment_daily give one number per segment. The spells of a
-- segmentation that is no longer run stay open.
with segmentations_in_force as (

    select distinct segmentation
    from {{ ref('dim_segmentations') }}
    where is_current

),

counted as (

    select
        segmentation,
        segment,
        count(*) as customers,
        'customer_segments' as counted_in
    from {{ ref('customer_segments') }}
    group by
        segmentation,
        segment
    union all
    select
        segmentation,
        segment,
        count(*) as customers,
        'fct_segment_spells' as counted_in
    from {{ ref('fct_segment_spells') }}
    where
        is_current
        and segmentation in (select segmentations_in_force.segmentation from segmentations_in_force)
    group by
        segmentation,
        segment
    union all
    select
        segmentation,
        segment,
        customers,
        'fct_segment_daily' as counted_in
    from {{ ref('fct_segment_daily') }}
    where
        as_of_date = {{ last_date() }}
        and customers > 0

)

select
    segmentation,
    segment,
    min(customers) as fewest,
    max(customers) as most,
    count(*) as ways
from counted
group by
    segmentation,
    segment
having
    min(customers) <> max(customers)
    or count(*) <> 3

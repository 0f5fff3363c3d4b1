-- An entry says where the one before it went to, and never enters the segment that the customer is in.
with chained as (

    select
        *,
        lag(segment) over (
            partition by customer_id, segmentation
            order by entered_on
        ) as segment_before
    from {{ ref('segment_entries') }}

)

select *
from chained
where
    segment = segment_before
    or coalesce(previous_segment, '') <> coalesce(segment_before, '')

-- An entry says where the one before it went to and when, and never enters the segment that the customer is in.
with chained as (

    select
        *,
        lag(segment) over (
            partition by customer_id, segmentation
            order by entered_on
        ) as segment_before,
        lag(entered_on) over (
            partition by customer_id, segmentation
            order by entered_on
        ) as entered_on_before
    from {{ ref('segment_entries') }}
    where entered_on >= {{ first_tested() }}

)

select *
from chained
where
    segment = previous_segment
    or (previous_segment is null) <> (previous_entered_on is null)
    or (segment_before is not null and coalesce(previous_segment, '') <> segment_before)
    or (segment_before is not null and coalesce(previous_entered_on <> entered_on_before, true))
    -- The one before it was tested when it was built.
    or (segment_before is null and previous_entered_on >= {{ first_tested() }})

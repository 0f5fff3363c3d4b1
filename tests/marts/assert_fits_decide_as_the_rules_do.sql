{{ config(tags=['weekly']) }}
-- The arrays that measure fits decide for the same segment as the rules in SQL do.
select customer_segments.*
from {{ ref('customer_segments') }} as customer_segments
inner join {{ ref('segment_states') }} as segment_states
    on
        customer_segments.customer_id = segment_states.customer_id
        and customer_segments.segmentation = segment_states.segmentation
        and customer_segments.as_of_date = segment_states.as_of_date
where customer_segments.rule_segment <> segment_states.segment

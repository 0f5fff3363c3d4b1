-- A customer whose rules give the segment they are in fits it with at least 0.5.
select customer_segments.*
from {{ ref('customer_segments') }} as customer_segments
inner join {{ ref('segment_states') }} as segment_states
    on
        customer_segments.customer_id = segment_states.customer_id
        and customer_segments.segmentation = segment_states.segmentation
        and customer_segments.as_of_date = segment_states.as_of_date
where
    customer_segments.segment = segment_states.segment
    and (customer_segments.fit is null or customer_segments.fit < 0.5 or customer_segments.fit > 1)

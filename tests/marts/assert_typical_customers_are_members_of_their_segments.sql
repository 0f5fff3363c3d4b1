-- The typical customer of every segment is one of its customers; too few have none.
select
    customer_segments.segmentation,
    customer_segments.segment
from {{ ref('customer_segments') }} as customer_segments
left join {{ ref('fct_segment_typical_customers') }} as typical_customers
    on
        customer_segments.segmentation = typical_customers.segmentation
        and customer_segments.segment = typical_customers.segment
        and customer_segments.customer_id = typical_customers.customer_id
group by
    customer_segments.segmentation,
    customer_segments.segment
having
    count(typical_customers.customer_id)
    <> case when count(*) >= {{ var('typical_customer_alike') }} then 1 else 0 end

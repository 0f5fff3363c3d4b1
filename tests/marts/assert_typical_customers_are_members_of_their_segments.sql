{{ config(tags=['weekly']) }}
-- The typical customer of every segment is one of its customers on the day of the profiles; too few have none.
with customer_segments as (

    select
        profiled_customers.customer_id,
        profiled_segments.segmentation,
        profiled_segments.segment
    from {{ ref('profiled_customers') }} as profiled_customers
    inner join {{ ref('profiled_segments') }} as profiled_segments
        on profiled_customers.combination = profiled_segments.combination

)

select
    customer_segments.segmentation,
    customer_segments.segment
from customer_segments
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

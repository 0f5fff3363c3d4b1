with segment_sizes as (

    select * from {{ ref('segment_sizes') }}
    where as_of_date = {{ last_date() }}

),

dim_segments as (

    select * from {{ ref('dim_segments') }}
    where is_current

)

select
    dim_segments.segmentation,
    dim_segments.segment,
    segment_sizes.customers,
    segment_sizes.share,
    segment_sizes.emptied_customers
from dim_segments
left join segment_sizes
    on
        dim_segments.segmentation = segment_sizes.segmentation
        and dim_segments.segment = segment_sizes.segment

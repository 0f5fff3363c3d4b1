with fct_segment_migrations as (

    select * from {{ ref('fct_segment_migrations') }}
    where from_segment <> to_segment

),

-- One row per pair, whichever way customers went.
pairs as (

    select
        period,
        period_start,
        period_end,
        segmentation,
        least(from_segment, to_segment) as segment,
        greatest(from_segment, to_segment) as other_segment,
        sum(case when from_segment < to_segment then customers else 0 end) as customers_out,
        sum(case when from_segment > to_segment then customers else 0 end) as customers_in
    from fct_segment_migrations
    group by
        period,
        period_start,
        period_end,
        segmentation,
        least(from_segment, to_segment),
        greatest(from_segment, to_segment)

)

select
    period,
    period_start,
    period_end,
    segmentation,
    segment,
    other_segment,
    cast(customers_out as bigint) as customers_out,
    cast(customers_in as bigint) as customers_in,
    cast(customers_in - customers_out as bigint) as net_customers_in
from pairs

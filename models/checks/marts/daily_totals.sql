with fct_segment_daily as (

    select
        *,
        customers - lag(customers, 1, cast(0 as bigint)) over (
            partition by segmentation, segment order by as_of_date
        ) - entered + exited as unbalanced
    from {{ ref('fct_segment_daily') }}
    where as_of_date between {{ first_date(-1) }} and {{ last_date() }}

),

known as (

    select
        as_of_date,
        count(*) as customers
    from {{ ref('customer_measures') }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}
    group by as_of_date

),

totals as (

    select
        as_of_date,
        segmentation,
        cast(sum(customers) as bigint) as customers,
        cast(sum(abs(unbalanced)) as bigint) as unbalanced
    from fct_segment_daily
    group by
        as_of_date,
        segmentation

)

select
    known.as_of_date,
    totals.segmentation,
    totals.customers as customers_in_segments,
    known.customers as customers_known,
    totals.customers - known.customers as difference,
    totals.unbalanced
from known
left join totals
    on known.as_of_date = totals.as_of_date

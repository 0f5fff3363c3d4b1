with fct_segment_daily as (

    select
        as_of_date,
        segmentation,
        segment,
        customers,
        customers / nullif(
            cast(sum(customers) over (partition by as_of_date, segmentation) as double), 0
        ) as share
    from {{ ref('fct_segment_daily') }}
    where as_of_date between {{ first_date(-1) }} and {{ last_date() }}

),

compared as (

    select
        *,
        abs(share - lag(share) over (
            partition by segmentation, segment order by as_of_date
        )) as share_change,
        lag(customers) over (
            partition by segmentation, segment order by as_of_date
        ) as previous_customers
    from fct_segment_daily

)

select
    as_of_date,
    segmentation,
    segment,
    customers,
    share,
    share_change,
    case when customers = 0 then coalesce(previous_customers, 0) else 0 end as emptied_customers
from compared
where as_of_date between {{ first_date() }} and {{ last_date() }}

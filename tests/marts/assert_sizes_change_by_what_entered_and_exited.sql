-- customers(D) = customers(D-1) + entered(D) - exited(D), over the whole history.
with followed as (

    select
        *,
        lag(customers, 1, cast(0 as bigint)) over (
            partition by segmentation, segment
            order by as_of_date
        ) as customers_before
    from {{ ref('fct_segment_daily') }}

)

select *
from followed
where customers <> customers_before + entered - exited

-- customers(D) = customers(D-1) + entered(D) - exited(D).
with followed as (

    select
        *,
        lag(customers, 1, cast(0 as bigint)) over (
            partition by segmentation, segment
            order by as_of_date
        ) as customers_before
    from {{ ref('fct_segment_daily') }}
    where as_of_date >= {{ add_days(first_tested(), -1) }}

)

select *
from followed
where
    as_of_date >= {{ first_tested() }}
    and customers <> customers_before + entered - exited

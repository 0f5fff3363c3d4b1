-- Who has more comes later: every percent of customers adds at least what the one before added (but for rounding).
with steps as (

    select
        segmentation,
        segment,
        customers_percent,
        value_share,
        value_share - lag(value_share) over (
            partition by segmentation, segment
            order by customers_percent
        ) as step
    from {{ ref('fct_value_concentration') }}
    where value_share is not null

),

followed as (

    select
        *,
        lag(step) over (
            partition by segmentation, segment
            order by customers_percent
        ) as step_before
    from steps

)

select *
from followed
where
    (customers_percent = 0 and value_share <> 0)
    or (customers_percent = 100 and value_share <> 1)
    or step < step_before - 0.00001

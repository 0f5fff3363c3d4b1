{{ config(materialized='table') }}

-- Expected sales are fitted at the as-of date, and for the backtest at a day whose future is known.
with fits as (

    select
        {{ last_date() }} as as_of_date,
        180 as horizon_days
    union all
    select
        {{ last_date(-var('value_holdout_days')) }} as as_of_date,
        {{ var('value_holdout_days') }} as horizon_days

),

customers as (

    select * from {{ ref('customers') }}

),

customer_days as (

    select
        customer_id,
        activity_date,
        orders,
        net_exact
    from {{ ref('customer_days') }}
    where activity_date <= {{ last_date() }}

),

totals as (

    select
        fits.as_of_date,
        fits.horizon_days,
        customer_days.customer_id,
        count(case when customer_days.orders > 0 then 1 end) as order_days,
        min(case when customer_days.orders > 0 then customer_days.activity_date end) as first_order_date,
        max(case when customer_days.orders > 0 then customer_days.activity_date end) as last_order_date,
        sum(customer_days.net_exact) as net_exact,
        min_by(
            customer_days.net_exact, case when customer_days.orders > 0 then customer_days.activity_date end
        ) as first_net_exact
    from fits
    inner join customer_days
        on fits.as_of_date >= customer_days.activity_date
    group by
        fits.as_of_date,
        fits.horizon_days,
        customer_days.customer_id

)

select
    totals.as_of_date,
    totals.horizon_days,
    totals.customer_id,
    totals.order_days - 1 as repeats,
    {{ days_between('totals.first_order_date', 'totals.last_order_date') }} as recency_days,
    {{ days_between('totals.first_order_date', 'totals.as_of_date') }} as age_days,
    totals.net_exact,
    -- Whoever has not come back has no repeat orders, even with money given back later.
    case when totals.order_days > 1 then totals.net_exact - totals.first_net_exact else 0 end as repeat_net_exact
from totals
inner join customers
    on totals.customer_id = customers.customer_id
where
    totals.order_days > 0
    and (customers.closed_date is null or customers.closed_date > totals.as_of_date)

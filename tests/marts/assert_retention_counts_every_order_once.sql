-- Over cohorts and months, orders and net sales of the triangle are all of them; every cohort is wholly active in its
-- first month.
with fct_retention as (

    select * from {{ ref('fct_retention') }}

),

totals as (

    select
        cast(sum(orders) as bigint) as orders,
        cast(sum(net_sales) as decimal(18, 2)) as net_sales
    from fct_retention

),

delivered as (

    select
        cast(sum(cast(orders as double)) as bigint) as orders,
        cast(sum(net_cents) / 100 as decimal(18, 2)) as net_sales
    from {{ ref('customer_days') }}
    where activity_date <= {{ last_date() }}

)

select
    null as cohort_month,
    totals.orders - delivered.orders as too_many
from totals
cross join delivered
where
    totals.orders <> delivered.orders
    or totals.net_sales <> delivered.net_sales
union all
select
    cohort_month,
    active_customers - customers as too_many
from fct_retention
where
    months_since = 0
    and active_customers <> customers

{{ config(tags=['weekly']) }}
-- Over cohorts and months, orders and net sales of the triangle are all of them, from the month of a customer's first
-- order on; every cohort is wholly active in its first month.
with fct_retention as (

    select * from {{ ref('fct_retention') }}

),

totals as (

    select
        cast(sum(orders) as bigint) as orders,
        cast(sum(net_sales) as decimal(18, 2)) as net_sales,
        count(*) as cells
    from fct_retention

),

first_months as (

    select
        customer_id,
        {{ month_of('min(activity_date)') }} as first_month
    from {{ ref('customer_days') }}
    where orders > 0
    group by customer_id

),

delivered as (

    select
        cast(sum(cast(customer_days.orders as double)) as bigint) as orders,
        sum(customer_days.net_exact) as net_exact
    from {{ ref('customer_days') }} as customer_days
    inner join first_months
        on
            customer_days.customer_id = first_months.customer_id
            and customer_days.activity_date >= first_months.first_month
    where customer_days.activity_date <= {{ last_date() }}

)

select
    null as cohort_month,
    totals.orders - delivered.orders as too_many
from totals
cross join delivered
where
    totals.orders <> delivered.orders
    -- Each cell is rounded to cents.
    or abs(cast(totals.net_sales as double) * 10000 - delivered.net_exact) > 50 * totals.cells
union all
select
    cohort_month,
    active_customers - customers as too_many
from fct_retention
where
    months_since = 0
    and active_customers <> customers

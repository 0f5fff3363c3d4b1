-- Orders and money of a customer's months; in a month of returns alone nobody is active.
with order_months as (

    select
        customer_id,
        {{ month_of('activity_date') }} as order_month,
        sum(orders) as orders,
        sum(net_exact) as net_exact
    from {{ ref('customer_days') }}
    where activity_date <= {{ last_date() }}
    group by
        customer_id,
        {{ month_of('activity_date') }}

),

-- A month without any line has no row.
months as (

    select order_month as activity_month
    from order_months
    union
    select {{ month_of(last_date()) }} as activity_month

),

first_months as (

    select
        customer_id,
        min(order_month) as cohort_month
    from order_months
    where orders > 0
    group by customer_id

),

cohorts as (

    select
        cohort_month,
        count(*) as customers
    from first_months
    group by cohort_month

),

activity as (

    select
        first_months.cohort_month,
        order_months.order_month as activity_month,
        count(case when order_months.orders > 0 then 1 end) as active_customers,
        sum(order_months.orders) as orders,
        sum(order_months.net_exact) as net_exact
    from order_months
    inner join first_months
        on order_months.customer_id = first_months.customer_id
    group by
        first_months.cohort_month,
        order_months.order_month

),

triangle as (

    select
        cohorts.cohort_month,
        months.activity_month,
        cast(
            12 * (extract(year from months.activity_month) - extract(year from cohorts.cohort_month))
            + extract(month from months.activity_month) - extract(month from cohorts.cohort_month)
            as bigint
        ) as months_since,
        cohorts.customers,
        coalesce(activity.active_customers, 0) as active_customers,
        coalesce(activity.orders, 0) as orders,
        coalesce(activity.net_exact, 0) as net_exact
    from cohorts
    inner join months
        on cohorts.cohort_month <= months.activity_month
    left join activity
        on
            cohorts.cohort_month = activity.cohort_month
            and months.activity_month = activity.activity_month

)

select
    {{ last_date() }} as as_of_date,
    cohort_month,
    activity_month,
    cast(months_since as bigint) as months_since,
    last_day(activity_month) <= {{ last_date() }} as is_complete,
    cohort_month = min(cohort_month) over () as has_unknown_past,
    customers,
    active_customers,
    active_customers / cast(customers as double) as retention_rate,
    {{ wilson_bound('active_customers', 'customers', '-') | indent(4) }} as retention_rate_lower,
    {{ wilson_bound('active_customers', 'customers', '+') | indent(4) }} as retention_rate_upper,
    cast(orders as bigint) as orders,
    {{ money('net_exact') }} as net_sales,
    {{ from_exact('net_exact') }} / customers as net_sales_per_customer,
    {{ from_exact('net_exact') }} / nullif(active_customers, 0) as net_sales_per_active_customer,
    {{ from_exact('sum(net_exact) over (
        partition by cohort_month
        order by activity_month
        rows between unbounded preceding and current row
    )') }} / customers as net_sales_per_customer_to_date
from triangle

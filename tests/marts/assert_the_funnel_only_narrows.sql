{{ config(tags=['weekly']) }}
-- A stage is reached by nobody who did not reach the one before, the first by everybody, and with a longer follow-up by
-- no smaller share; up to the as-of date the cohorts hold everybody ever seen.
with funnel as (

    select
        *,
        lag(customers) over (partition by cohort_month, follow_up_days order by stage_position) as customers_before
    from {{ ref('fct_lifecycle_funnel') }}

),

everybody as (

    select
        cast(sum(case when funnel.stage_position = 1 then funnel.customers else 0 end) as bigint) as customers,
        cast(sum(case when funnel.stage = 'customer' then funnel.customers else 0 end) as bigint) as buyers
    from funnel
    where funnel.follow_up_days is null

),

counted as (

    select
        (
            select count(*)
            from {{ ref('customers') }} as customers
            left join (
                select
                    customer_id,
                    min(activity_date) as first_order_date
                from {{ ref('customer_days') }}
                where orders > 0
                group by customer_id
            ) as orders
                on customers.customer_id = orders.customer_id
            where least(customers.first_seen_date, orders.first_order_date) <= {{ last_date() }}
        ) as customers,
        (
            select count(distinct customer_days.customer_id)
            from {{ ref('customer_days') }} as customer_days
            where
                customer_days.orders > 0
                and customer_days.activity_date <= {{ last_date() }}
        ) as buyers

)

select
    cohort_month,
    follow_up_days,
    stage
from funnel
where
    customers > coalesce(customers_before, observed_customers)
    or (stage_position = 1 and customers <> observed_customers)
union all
select
    null as cohort_month,
    null as follow_up_days,
    'all' as stage
from everybody
cross join counted
where
    coalesce(everybody.customers, 0) <> counted.customers
    or coalesce(everybody.buyers, 0) <> counted.buyers

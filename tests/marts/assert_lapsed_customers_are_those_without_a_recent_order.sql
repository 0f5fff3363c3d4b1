-- Who is lapsed at the end of the last month, counted by lapses and returns, is who has not ordered for
-- so long by their features; and each month begins with whom the one before ended with.
with fct_reactivation as (

    select
        *,
        lag(lapsed_at_end, 1, cast(0 as bigint)) over (order by month_start) as lapsed_before
    from {{ ref('fct_reactivation') }}

),

last_month as (

    select max(lapsed_at_end) as customers
    from fct_reactivation
    where month_start = (select max(months.month_start) from fct_reactivation as months)

),

by_features as (

    select count(*) as customers
    from {{ ref('fct_customer_features') }}
    where days_since_last_order > {{ var('lapsed_days') }}

)

select
    last_month.customers as lapsed,
    by_features.customers as lapsed_by_features
from last_month
cross join by_features
where coalesce(last_month.customers, 0) <> by_features.customers
union all
select
    lapsed_at_start as lapsed,
    lapsed_before as lapsed_by_features
from fct_reactivation
where
    lapsed_at_start <> lapsed_before
    or lapsed_at_end < 0

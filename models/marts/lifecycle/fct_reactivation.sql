{%- set lapsed_days = var('lapsed_days') -%}

with customers as (

    select
        customer_id,
        case when closed_date <= {{ last_date() }} then closed_date else cast('9999-12-31' as date) end as closed_on
    from {{ ref('customers') }}

),

customer_days as (

    select
        customer_id,
        activity_date,
        orders,
        lead(activity_date) over (partition by customer_id order by activity_date) as next_activity_date
    from {{ ref('customer_days') }}
    where
        activity_date <= {{ last_date() }}
        and orders > 0

),

-- Lapsed at the end of a day is who has not ordered for more than lapsed_days days.
lapses as (

    select
        customer_days.customer_id,
        {{ add_days('customer_days.activity_date', lapsed_days + 1) }} as lapsed_on,
        case
            when customer_days.next_activity_date < customers.closed_on then customer_days.next_activity_date
        end as returned_on,
        customers.closed_on
    from customer_days
    inner join customers
        on customer_days.customer_id = customers.customer_id
    where
        {{ add_days('customer_days.activity_date', lapsed_days + 1) }} <= {{ last_date() }}
        and {{ add_days('customer_days.activity_date', lapsed_days + 1) }} < customers.closed_on
        and (
            customer_days.next_activity_date is null
            or customer_days.next_activity_date > {{ add_days('customer_days.activity_date', lapsed_days + 1) }}
        )

),

-- What each return led to: a customer is followed for as long as it takes to lapse.
returns as (

    select
        lapses.customer_id,
        lapses.returned_on,
        {{ days_between('lapses.lapsed_on', 'lapses.returned_on') }} as days_lapsed,
        {{ add_days('lapses.returned_on', lapsed_days - 1) }} <= {{ last_date() }} as is_followed,
        sum(customer_days.orders) as orders,
        count(*) as order_days
    from lapses
    inner join customer_days
        on
            lapses.customer_id = customer_days.customer_id
            and lapses.returned_on <= customer_days.activity_date
            and {{ add_days('lapses.returned_on', lapsed_days) }} > customer_days.activity_date
    group by
        lapses.customer_id,
        lapses.lapsed_on,
        lapses.returned_on

),

changes as (

    select
        {{ month_of('lapsed_on') }} as month_start,
        1 as newly_lapsed,
        0 as reactivated,
        0 as closed
    from lapses
    union all
    select
        {{ month_of('returned_on') }} as month_start,
        0 as newly_lapsed,
        1 as reactivated,
        0 as closed
    from returns
    union all
    select
        {{ month_of('closed_on') }} as month_start,
        0 as newly_lapsed,
        0 as reactivated,
        1 as closed
    from lapses
    where
        returned_on is null
        and closed_on <= {{ last_date() }}

),

months as (

    select {{ month_of('activity_date') }} as month_start
    from customer_days
    union
    select month_start
    from changes
    union
    select {{ month_of(last_date()) }} as month_start

),

monthly_changes as (

    select
        month_start,
        sum(newly_lapsed) as newly_lapsed,
        sum(reactivated) as reactivated,
        sum(closed) as closed
    from changes
    group by month_start

),

-- From the month of the first lapse on.
balances as (

    select
        months.month_start,
        coalesce(monthly_changes.newly_lapsed, 0) as newly_lapsed,
        coalesce(monthly_changes.reactivated, 0) as reactivated,
        coalesce(monthly_changes.closed, 0) as closed,
        coalesce(sum(
            monthly_changes.newly_lapsed - monthly_changes.reactivated - monthly_changes.closed
        ) over (
            order by months.month_start rows between unbounded preceding and 1 preceding
        ), 0) as lapsed_at_start
    from months
    left join monthly_changes
        on months.month_start = monthly_changes.month_start
    where months.month_start >= (select min(changes.month_start) from changes)

),

monthly_returns as (

    select
        {{ month_of('returned_on') }} as month_start,
        median(days_lapsed) as median_days_lapsed,
        count(case when is_followed then 1 end) as followed,
        count(case when is_followed and order_days > 1 then 1 end) as ordered_again,
        sum(case when is_followed then orders else 0 end) as orders
    from returns
    group by {{ month_of('returned_on') }}

),

counted as (

    select
        balances.month_start,
        balances.lapsed_at_start,
        balances.newly_lapsed,
        balances.reactivated,
        balances.closed,
        balances.lapsed_at_start + balances.newly_lapsed as lapsed,
        monthly_returns.median_days_lapsed,
        coalesce(monthly_returns.followed, 0) as followed,
        coalesce(monthly_returns.ordered_again, 0) as ordered_again,
        coalesce(monthly_returns.orders, 0) as orders
    from balances
    left join monthly_returns
        on balances.month_start = monthly_returns.month_start

)

select
    {{ last_date() }} as as_of_date,
    month_start,
    last_day(month_start) <= {{ last_date() }} as is_complete,
    month_start = min(month_start) over () as has_unknown_past,
    cast({{ lapsed_days }} as bigint) as lapsed_days,
    cast(lapsed_at_start as bigint) as lapsed_at_start,
    cast(newly_lapsed as bigint) as newly_lapsed,
    cast(reactivated as bigint) as reactivated,
    cast(closed as bigint) as closed,
    cast(lapsed - reactivated - closed as bigint) as lapsed_at_end,
    reactivated / nullif(cast(lapsed as double), 0) as reactivation_rate,
    {{ wilson_bound('reactivated', 'lapsed', '-') | indent(4) }} as reactivation_rate_lower,
    {{ wilson_bound('reactivated', 'lapsed', '+') | indent(4) }} as reactivation_rate_upper,
    cast(median_days_lapsed as double) as median_days_lapsed,
    cast(followed as bigint) as followed,
    cast(orders as bigint) as orders_after,
    orders / nullif(cast(followed as double), 0) as orders_after_per_customer,
    ordered_again / nullif(cast(followed as double), 0) as ordered_again_rate,
    {{ wilson_bound('ordered_again', 'followed', '-') | indent(4) }} as ordered_again_rate_lower,
    {{ wilson_bound('ordered_again', 'followed', '+') | indent(4) }} as ordered_again_rate_upper
from counted

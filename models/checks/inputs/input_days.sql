with run_days as (
    {{ run_days() }}

),

closed_days as (

    select * from {{ ref('closed_days') }}

),

orders as (

    select
        order_date,
        order_id,
        min(net_amount) as min_net_amount,
        max(net_amount) as max_net_amount,
        min(units) as min_units,
        max(units) as max_units,
        count(*) as lines,
        case when min(customer_id) <> max(customer_id) then 1 else 0 end as is_shared
    from {{ ref('transactions') }}
    where order_date between {{ first_date() }} and {{ last_date() }}
    group by
        order_date,
        order_id

),

days as (

    select
        order_date,
        sum(lines) as lines,
        count(*) as orders,
        min(min_net_amount) as min_net_amount,
        max(max_net_amount) as max_net_amount,
        min(min_units) as min_units,
        max(max_units) as max_units,
        sum(is_shared) as shared_orders
    from orders
    group by order_date

),

all_days as (

    select
        order_date as past_date,
        sum(lines) as lines
    from {{ ref('delivered_days') }}
    where
        problem is null
        and order_date between {{ first_date(-56) }} and {{ last_date() }}
        and order_date not in (select closed_days.calendar_date from closed_days)
    group by order_date

),

-- What a day usually brings: the median of the open days of the eight weeks before it.
usual as (

    select
        run_days.as_of_date,
        median(all_days.lines) as lines
    from run_days
    inner join all_days
        on
            run_days.as_of_date > all_days.past_date
            and {{ add_days('run_days.as_of_date', -56) }} <= all_days.past_date
    group by run_days.as_of_date
    having count(*) >= 14

)

select
    run_days.as_of_date as order_date,
    closed_days.calendar_date is not null as is_closed_day,
    cast(coalesce(days.lines, 0) as bigint) as lines,
    cast(coalesce(days.orders, 0) as bigint) as orders,
    cast(days.min_net_amount as double) as min_net_amount,
    cast(days.max_net_amount as double) as max_net_amount,
    days.min_units,
    days.max_units,
    days.lines is null and closed_days.calendar_date is null as is_missing_day,
    cast(coalesce(days.shared_orders, 0) as bigint) as shared_orders,
    case
        -- A day without lines is missing, and told as that alone.
        when closed_days.calendar_date is null
            then cast(days.lines as double) / nullif(usual.lines, 0)
    end as volume_ratio
from run_days
left join days
    on run_days.as_of_date = days.order_date
left join closed_days
    on run_days.as_of_date = closed_days.calendar_date
left join usual
    on run_days.as_of_date = usual.as_of_date

with run_days as (
    {{ run_days() }}

),

closed_days as (

    select * from {{ ref('closed_days') }}

),

input_lines as (

    select * from {{ ref('input_lines') }}

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
    cast(coalesce(input_lines.lines, 0) as bigint) as lines,
    cast(input_lines.min_net_amount as double) as min_net_amount,
    cast(input_lines.max_net_amount as double) as max_net_amount,
    input_lines.lines is null and closed_days.calendar_date is null as is_missing_day,
    case
        -- A day without lines is reported only as missing.
        when closed_days.calendar_date is null
            then cast(input_lines.lines as double) / nullif(usual.lines, 0)
    end as volume_ratio
from run_days
left join input_lines
    on run_days.as_of_date = input_lines.order_date
left join closed_days
    on run_days.as_of_date = closed_days.calendar_date
left join usual
    on run_days.as_of_date = usual.as_of_date

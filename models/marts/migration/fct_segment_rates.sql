with fct_segment_daily as (

    select * from {{ ref('fct_segment_daily') }}

),

first_days as (

    select
        segmentation,
        min(as_of_date) as first_as_of_date
    from fct_segment_daily
    group by segmentation

),

-- Who can move on a day are the customers of the day before. On the first day of the record nobody moves.
days as (

    select
        fct_segment_daily.*,
        cast({{ dbt.date_trunc('month', 'fct_segment_daily.as_of_date') }} as date) as month_start,
        fct_segment_daily.customers - fct_segment_daily.entered + fct_segment_daily.exited as customers_before
    from fct_segment_daily
    inner join first_days
        on fct_segment_daily.segmentation = first_days.segmentation
    where fct_segment_daily.as_of_date > first_days.first_as_of_date

),

months as (

    select
        month_start,
        segmentation,
        segment,
        max(as_of_date) as last_as_of_date,
        min_by(customers_before, as_of_date) as customers_at_start,
        max_by(customers, as_of_date) as customers_at_end,
        cast(sum(customers_before) as bigint) as customer_days,
        cast(sum(entered) as bigint) as entered,
        cast(sum(exited) as bigint) as exited,
        cast(sum(joined) as bigint) as joined,
        cast(sum({{ adapter.quote('left') }}) as bigint) as {{ adapter.quote('left') }}
    from days
    group by
        month_start,
        segmentation,
        segment

)

select
    month_start,
    last_as_of_date,
    segmentation,
    segment,
    customers_at_start,
    customers_at_end,
    customer_days,
    entered,
    exited,
    joined,
    {{ adapter.quote('left') }},
    entered - exited as net_change,
    round(entered * 1000 / nullif(cast(customer_days as double), 0), 6) as entry_rate,
    round(exited * 1000 / nullif(cast(customer_days as double), 0), 6) as exit_rate
from months

with late_customer_days as (

    select
        customer_id,
        counted_from,
        -- Nothing is published of the days before the history.
        greatest(activity_date, {{ history_start() }}) as first_day
    from {{ ref('late_customer_days') }}
    where fingerprint_before <> fingerprint_now

),

-- Whose published days were made without a change that is known now.
unrestated as (

    select
        customer_id,
        min(first_day) as first_day
    from late_customer_days
    where first_day < counted_from
    group by customer_id

),

known as (

    select count(*) as customers
    from {{ ref('customer_measures') }}
    where as_of_date = {{ last_date() }}

),

counted as (

    select
        count(*) as customers,
        min(first_day) as first_day
    from unrestated

)

select
    counted.first_day,
    counted.customers,
    counted.customers / nullif(cast(known.customers as double), 0) as customer_share
from counted
cross join known

with ops_restatements as (

    select distinct
        run_id,
        asked_first_date,
        rebuilt_last_date
    from {{ ref('ops_restatements') }}

),

late_customer_days as (

    select
        customer_id,
        seen_on,
        -- Nothing is published of the days before the history.
        greatest(activity_date, {{ history_start() }}) as first_day
    from {{ ref('late_customer_days') }}
    where fingerprint_before <> fingerprint_now

),

-- Whose published days were made without a change that is known now.
unrestated as (

    select
        late_customer_days.customer_id,
        min(late_customer_days.first_day) as first_day
    from late_customer_days
    where
        not exists (
            select 1
            from ops_restatements
            where
                late_customer_days.first_day >= ops_restatements.asked_first_date
                and late_customer_days.seen_on <= ops_restatements.rebuilt_last_date
        )
    group by late_customer_days.customer_id

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

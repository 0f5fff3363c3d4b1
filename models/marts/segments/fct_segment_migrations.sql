{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('period_end') }}"
) }}

with run_days as (
    {{ run_days() }}

),

-- A period of the run begins at most a month before it.
segment_entries as (

    select * from {{ ref('segment_entries') }}
    where entered_on between {{ first_date(-31) }} and {{ last_date() }}

),

fct_segment_daily as (

    select * from {{ ref('fct_segment_daily') }}
    where as_of_date >= {{ first_date(-32) }}

),

periods as (

    select
        'day' as period,
        as_of_date as period_start,
        as_of_date as period_end
    from run_days
    union
    select
        'week' as period,
        cast({{ dbt.date_trunc('week', 'as_of_date') }} as date) as period_start,
        {{ add_days('cast(' ~ dbt.date_trunc('week', 'as_of_date') ~ ' as date)', 6) }} as period_end
    from run_days
    union
    select
        'month' as period,
        cast({{ dbt.date_trunc('month', 'as_of_date') }} as date) as period_start,
        last_day(as_of_date) as period_end
    from run_days

),

-- Where each customer who moved in a period came from and ended up.
movers as (

    select
        periods.period,
        periods.period_start,
        segment_entries.segmentation,
        segment_entries.customer_id,
        min_by(
            coalesce(nullif(segment_entries.previous_segment, '(left)'), '(new)'), segment_entries.entered_on
        ) as from_segment,
        max_by(segment_entries.segment, segment_entries.entered_on) as to_segment
    from segment_entries
    inner join periods
        on segment_entries.entered_on between periods.period_start and periods.period_end
    group by
        periods.period,
        periods.period_start,
        segment_entries.segmentation,
        segment_entries.customer_id

),

moves as (

    select
        period,
        period_start,
        segmentation,
        from_segment,
        to_segment,
        count(*) as customers
    from movers
    where
        from_segment <> to_segment
        and not (from_segment = '(new)' and to_segment = '(left)')
    group by
        period,
        period_start,
        segmentation,
        from_segment,
        to_segment

),

sizes as (

    select
        periods.period,
        periods.period_start,
        fct_segment_daily.segmentation,
        fct_segment_daily.segment,
        fct_segment_daily.customers
    from periods
    inner join fct_segment_daily
        on {{ add_days('periods.period_start', -1) }} = fct_segment_daily.as_of_date

),

departures as (

    select
        period,
        period_start,
        segmentation,
        from_segment,
        sum(customers) as customers
    from moves
    group by
        period,
        period_start,
        segmentation,
        from_segment

),

stays as (

    select
        sizes.period,
        sizes.period_start,
        sizes.segmentation,
        sizes.segment as from_segment,
        sizes.segment as to_segment,
        sizes.customers - coalesce(departures.customers, 0) as customers
    from sizes
    left join departures
        on
            sizes.period = departures.period
            and sizes.period_start = departures.period_start
            and sizes.segmentation = departures.segmentation
            and sizes.segment = departures.from_segment
    where sizes.customers - coalesce(departures.customers, 0) > 0

),

migrations as (

    select * from moves
    union all
    select * from stays

)

select
    migrations.period,
    migrations.period_start,
    periods.period_end,
    migrations.segmentation,
    migrations.from_segment,
    migrations.to_segment,
    cast(migrations.customers as bigint) as customers
from migrations
inner join periods
    on
        migrations.period = periods.period
        and migrations.period_start = periods.period_start

-- Transitions of so many whole months are pooled, and so many months are looked ahead.
{%- set months_pooled = 3 %}
{%- set months_ahead = 3 %}

with fct_segment_migrations as (

    select * from {{ ref('fct_segment_migrations') }}
    where period = 'month'

),

fct_segment_daily as (

    select * from {{ ref('fct_segment_daily') }}

),

segmentation_days as (

    select * from {{ ref('segmentation_days') }}

),

versions_in_force as (

    select
        segmentation,
        rule_version
    from segmentation_days
    where as_of_date = {{ last_date() }}

),

-- Days of the rules in force. Rules may have been changed and changed back: of the days of
-- one stretch, none in between was of others.
days_in_force as (

    select
        segmentation_days.segmentation,
        segmentation_days.as_of_date,
        row_number() over (
            partition by segmentation_days.segmentation
            order by segmentation_days.as_of_date
        ) + {{ days_between('segmentation_days.as_of_date', last_date()) }} as stretch
    from segmentation_days
    inner join versions_in_force
        on
            segmentation_days.segmentation = versions_in_force.segmentation
            and segmentation_days.rule_version = versions_in_force.rule_version

),

-- Whole months under the rules in force, from the end of the day before; months of other
-- rules say nothing of these, nor does one in which they changed.
months as (

    select distinct
        fct_segment_migrations.segmentation,
        fct_segment_migrations.period_start,
        fct_segment_migrations.period_end
    from fct_segment_migrations
    inner join days_in_force as days_before
        on
            fct_segment_migrations.segmentation = days_before.segmentation
            and {{ add_days('fct_segment_migrations.period_start', -1) }} = days_before.as_of_date
    inner join days_in_force as last_days
        on
            days_before.segmentation = last_days.segmentation
            and days_before.stretch = last_days.stretch
            and fct_segment_migrations.period_end = last_days.as_of_date

),

-- Projections begin at the as-of date, and for the backtest at the end of every month.
origins as (

    select
        segmentation,
        period_end as projected_from
    from months
    union
    select
        segmentation,
        {{ last_date() }} as projected_from
    from versions_in_force

),

-- The months before an origin, the latest first.
pooled_months as (

    select
        origins.segmentation,
        origins.projected_from,
        months.period_start,
        row_number() over (
            partition by origins.segmentation, origins.projected_from
            order by months.period_start desc
        ) as place_from_last
    from origins
    inner join months
        on
            origins.segmentation = months.segmentation
            and origins.projected_from >= months.period_end

),

pooled as (

    select
        pooled_months.segmentation,
        pooled_months.projected_from,
        fct_segment_migrations.from_segment,
        fct_segment_migrations.to_segment,
        sum(fct_segment_migrations.customers) as customers
    from pooled_months
    inner join fct_segment_migrations
        on
            pooled_months.segmentation = fct_segment_migrations.segmentation
            and pooled_months.period_start = fct_segment_migrations.period_start
    where pooled_months.place_from_last <= {{ months_pooled }}
    group by
        pooled_months.segmentation,
        pooled_months.projected_from,
        fct_segment_migrations.from_segment,
        fct_segment_migrations.to_segment

),

pools as (

    select
        segmentation,
        projected_from,
        least(max(place_from_last), {{ months_pooled }}) as months_pooled
    from pooled_months
    group by
        segmentation,
        projected_from

),

-- Of those who were in a segment when a month began, the share who were in another when it ended.
transitions as (

    select
        segmentation,
        projected_from,
        from_segment,
        to_segment,
        customers / cast(
            sum(customers) over (partition by segmentation, projected_from, from_segment) as double
        ) as probability
    from pooled
    where from_segment <> '(new)'

),

arrivals as (

    select
        pooled.segmentation,
        pooled.projected_from,
        pooled.to_segment as segment,
        pooled.customers / cast(pools.months_pooled as double) as customers
    from pooled
    inner join pools
        on
            pooled.segmentation = pools.segmentation
            and pooled.projected_from = pools.projected_from
    where
        pooled.from_segment = '(new)'
        and pooled.to_segment <> '(left)'

),

sizes as (

    select
        pools.segmentation,
        pools.projected_from,
        pools.months_pooled,
        days_in_force.stretch,
        fct_segment_daily.segment,
        fct_segment_daily.customers
    from pools
    inner join days_in_force
        on
            pools.segmentation = days_in_force.segmentation
            and pools.projected_from = days_in_force.as_of_date
    inner join fct_segment_daily
        on
            pools.segmentation = fct_segment_daily.segmentation
            and pools.projected_from = fct_segment_daily.as_of_date

),

-- Who is in a segment that nobody was in during the months pooled is taken to stay.
complete_transitions as (

    select
        segmentation,
        projected_from,
        from_segment,
        to_segment,
        probability
    from transitions
    union all
    select
        sizes.segmentation,
        sizes.projected_from,
        sizes.segment as from_segment,
        sizes.segment as to_segment,
        1 as probability
    from sizes
    where not exists (
        select 1
        from transitions
        where
            sizes.segmentation = transitions.segmentation
            and sizes.projected_from = transitions.projected_from
            and sizes.segment = transitions.from_segment
    )

),

months_ahead_0 as (

    select
        segmentation,
        projected_from,
        segment,
        cast(customers as double) as customers
    from sizes

),

{% for step in range(1, months_ahead + 1) -%}
moved_{{ step }} as (

    select
        earlier.segmentation,
        earlier.projected_from,
        complete_transitions.to_segment as segment,
        sum(earlier.customers * complete_transitions.probability) as customers
    from months_ahead_{{ step - 1 }} as earlier
    inner join complete_transitions
        on
            earlier.segmentation = complete_transitions.segmentation
            and earlier.projected_from = complete_transitions.projected_from
            and earlier.segment = complete_transitions.from_segment
    where complete_transitions.to_segment <> '(left)'
    group by
        earlier.segmentation,
        earlier.projected_from,
        complete_transitions.to_segment

),

-- Rounded, because sums of fractions differ in their last digits with the order of their parts.
months_ahead_{{ step }} as (

    select
        sizes.segmentation,
        sizes.projected_from,
        sizes.segment,
        round(coalesce(moved_{{ step }}.customers, 0) + coalesce(arrivals.customers, 0), 6) as customers
    from sizes
    left join moved_{{ step }}
        on
            sizes.segmentation = moved_{{ step }}.segmentation
            and sizes.projected_from = moved_{{ step }}.projected_from
            and sizes.segment = moved_{{ step }}.segment
    left join arrivals
        on
            sizes.segmentation = arrivals.segmentation
            and sizes.projected_from = arrivals.projected_from
            and sizes.segment = arrivals.segment

),

{% endfor -%}
projected as (
    {%- for step in range(1, months_ahead + 1) %}
    select
        *,
        cast({{ step }} as bigint) as months_ahead,
        -- A projection from the last day of a month is for the last day of a month.
        case
            when last_day(projected_from) = projected_from
                then last_day({{ add_months('projected_from', step) }})
            else {{ add_months('projected_from', step) }}
        end as projected_date
    from months_ahead_{{ step }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

-- What came is what the same rules say; of what others did in between, no projection knows.
actual_sizes as (

    select
        fct_segment_daily.segmentation,
        fct_segment_daily.segment,
        fct_segment_daily.as_of_date,
        fct_segment_daily.customers,
        days_in_force.stretch
    from fct_segment_daily
    inner join days_in_force
        on
            fct_segment_daily.segmentation = days_in_force.segmentation
            and fct_segment_daily.as_of_date = days_in_force.as_of_date

)

select
    projected.segmentation,
    projected.segment,
    projected.projected_from,
    projected.months_ahead,
    projected.projected_date,
    sizes.months_pooled,
    sizes.customers as customers_at_start,
    round(projected.customers, 2) as projected_customers,
    actual_sizes.customers as actual_customers
from projected
inner join sizes
    on
        projected.segmentation = sizes.segmentation
        and projected.projected_from = sizes.projected_from
        and projected.segment = sizes.segment
left join actual_sizes
    on
        projected.segmentation = actual_sizes.segmentation
        and projected.projected_date = actual_sizes.as_of_date
        and projected.segment = actual_sizes.segment
        and sizes.stretch = actual_sizes.stretch

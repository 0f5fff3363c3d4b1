-- Over a period, a from_segment's row sums to the segment's size at the end of the day before the period.
with migrations as (

    select
        period,
        period_start,
        segmentation,
        from_segment,
        sum(customers) as customers
    from {{ ref('fct_segment_migrations') }}
    where
        from_segment <> '(new)'
        and period_end >= {{ first_tested() }}
    group by
        period,
        period_start,
        segmentation,
        from_segment

),

periods as (

    select distinct
        period,
        period_start
    from {{ ref('fct_segment_migrations') }}
    where period_end >= {{ first_tested() }}

),

sizes as (

    select
        periods.period,
        periods.period_start,
        fct_segment_daily.segmentation,
        fct_segment_daily.segment,
        fct_segment_daily.customers
    from periods
    inner join {{ ref('fct_segment_daily') }} as fct_segment_daily
        on {{ add_days('periods.period_start', -1) }} = fct_segment_daily.as_of_date
    where fct_segment_daily.customers > 0

)

select
    coalesce(sizes.period, migrations.period) as period,
    coalesce(sizes.period_start, migrations.period_start) as period_start,
    coalesce(sizes.segmentation, migrations.segmentation) as segmentation,
    coalesce(sizes.segment, migrations.from_segment) as segment,
    sizes.customers as size_before,
    migrations.customers as migrated
from sizes
full outer join migrations
    on
        sizes.period = migrations.period
        and sizes.period_start = migrations.period_start
        and sizes.segmentation = migrations.segmentation
        and sizes.segment = migrations.from_segment
where coalesce(sizes.customers, -1) <> coalesce(migrations.customers, -1)

-- At the end of a finished period, a to_segment's column sums to the segment's size that day, unless the segmentation
-- was no longer run then.
with migrations as (

    select
        period,
        period_start,
        period_end,
        segmentation,
        to_segment,
        sum(customers) as customers
    from {{ ref('fct_segment_migrations') }}
    where
        to_segment <> '(left)'
        and period_end between {{ first_tested() }} and {{ last_date() }}
    group by
        period,
        period_start,
        period_end,
        segmentation,
        to_segment

),

segmentation_days as (

    select distinct
        as_of_date,
        segmentation
    from {{ ref('fct_segment_daily') }}

)

select
    migrations.*,
    fct_segment_daily.customers as size_after
from migrations
inner join segmentation_days
    on
        migrations.period_end = segmentation_days.as_of_date
        and migrations.segmentation = segmentation_days.segmentation
left join {{ ref('fct_segment_daily') }} as fct_segment_daily
    on
        migrations.period_end = fct_segment_daily.as_of_date
        and migrations.segmentation = fct_segment_daily.segmentation
        and migrations.to_segment = fct_segment_daily.segment
where migrations.customers <> coalesce(fct_segment_daily.customers, -1)

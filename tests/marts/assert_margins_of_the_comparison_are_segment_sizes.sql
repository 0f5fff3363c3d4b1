-- The margins of a crosstab are the sizes of the segments, of the active segmentation and of its challenger, and its
-- cells sum to them.
with margins as (

    select
        challenger,
        segmentation,
        active_segment as segment,
        sum(case when challenger_segment = '(all)' then customers else 0 end) as customers,
        sum(case when challenger_segment <> '(all)' then customers else 0 end) as customers_in_cells
    from {{ ref('fct_segmentation_comparison') }}
    where active_segment <> '(all)'
    group by
        challenger,
        segmentation,
        active_segment
    union all
    select
        challenger,
        challenger as segmentation,
        challenger_segment as segment,
        sum(case when active_segment = '(all)' then customers else 0 end) as customers,
        sum(case when active_segment <> '(all)' then customers else 0 end) as customers_in_cells
    from {{ ref('fct_segmentation_comparison') }}
    where challenger_segment <> '(all)'
    group by
        challenger,
        challenger_segment

),

challenges as (

    select
        segmentation as challenger,
        segmentation
    from {{ ref('dim_segmentations') }}
    where
        is_current
        and status = 'challenger'
    union all
    select
        segmentation as challenger,
        challenger_of as segmentation
    from {{ ref('dim_segmentations') }}
    where
        is_current
        and status = 'challenger'

),

sizes as (

    select
        challenges.challenger,
        fct_segment_daily.segmentation,
        fct_segment_daily.segment,
        fct_segment_daily.customers
    from challenges
    inner join {{ ref('fct_segment_daily') }} as fct_segment_daily
        on challenges.segmentation = fct_segment_daily.segmentation
    where
        fct_segment_daily.as_of_date = {{ last_date() }}
        and fct_segment_daily.customers > 0

)

select
    sizes.*,
    margins.customers as margin,
    margins.customers_in_cells
from sizes
full outer join margins
    on
        sizes.challenger = margins.challenger
        and sizes.segmentation = margins.segmentation
        and sizes.segment = margins.segment
where
    coalesce(sizes.customers, -1) <> coalesce(margins.customers, -1)
    or coalesce(sizes.customers, -1) <> coalesce(margins.customers_in_cells, -1)

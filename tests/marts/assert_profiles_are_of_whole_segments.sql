{{ config(tags=['weekly']) }}
-- Every segment with customers on the day of the profiles has a profile of each feature over all of them, features are
-- ranked without a gap, and the segments' means, weighted by who has a value, give the mean of all customers.
with sizes as (

    select
        segmentation,
        segment,
        sum(customers) as customers
    from {{ ref('profiled_segments') }}
    group by
        segmentation,
        segment

),

profiles as (

    select * from {{ ref('fct_segment_profiles') }}

),

profiled as (

    select
        segmentation,
        segment,
        min(customers) as fewest,
        max(customers) as most,
        count(*) as features,
        max(difference_rank) as last_rank
    from profiles
    group by
        segmentation,
        segment

),

means as (

    select
        segmentation,
        feature,
        sum(mean * customers_with_value) / sum(customers_with_value) as mean,
        min(population_mean) as population_mean
    from profiles
    where customers_with_value > 0
    group by
        segmentation,
        feature

)

select
    sizes.segmentation,
    sizes.segment as segment_or_feature,
    'size or ranks' as what
from sizes
full outer join profiled
    on
        sizes.segmentation = profiled.segmentation
        and sizes.segment = profiled.segment
where
    coalesce(sizes.customers, -1) <> coalesce(profiled.fewest, -1)
    or coalesce(sizes.customers, -1) <> coalesce(profiled.most, -1)
    or profiled.features <> profiled.last_rank
union all
select
    segmentation,
    feature as segment_or_feature,
    'mean' as what
from means
where abs(mean - population_mean) > 0.00001 * (1 + abs(population_mean))

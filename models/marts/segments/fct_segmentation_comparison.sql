with dim_segmentations as (

    select * from {{ ref('dim_segmentations') }}
    where is_current

),

customer_segments as (

    select * from {{ ref('customer_segments') }}

),

fct_segment_spells as (

    select * from {{ ref('fct_segment_spells') }}
    where valid_to > {{ last_date(-30) }}

),

fct_customer_features as (

    select
        customer_id,
        {{ cents('net_sales_365d') }} as net_cents_365d
    from {{ ref('fct_customer_features') }}

),

challenges as (

    select
        actives.segmentation,
        challengers.segmentation as challenger,
        actives.flapping_rate as active_flapping_rate,
        challengers.flapping_rate as challenger_flapping_rate
    from dim_segmentations as challengers
    inner join dim_segmentations as actives
        on challengers.challenger_of = actives.segmentation
    where challengers.status = 'challenger'

),

compared_segmentations as (

    select segmentation
    from challenges
    union
    select challenger as segmentation
    from challenges

),

members as (

    select
        customer_segments.customer_id,
        customer_segments.segmentation,
        customer_segments.segment,
        fct_customer_features.net_cents_365d
    from customer_segments
    inner join compared_segmentations
        on customer_segments.segmentation = compared_segmentations.segmentation
    inner join fct_customer_features
        on customer_segments.customer_id = fct_customer_features.customer_id

),

-- The crosstab -----------------------------------------------------------------
placed as (

    select
        challenges.segmentation,
        challenges.challenger,
        active_members.segment as active_segment,
        challenger_members.segment as challenger_segment,
        active_members.net_cents_365d
    from challenges
    inner join members as active_members
        on challenges.segmentation = active_members.segmentation
    inner join members as challenger_members
        on
            challenges.challenger = challenger_members.segmentation
            and active_members.customer_id = challenger_members.customer_id

),

cells as (

    select
        segmentation,
        challenger,
        coalesce(active_segment, '(all)') as active_segment,
        coalesce(challenger_segment, '(all)') as challenger_segment,
        count(*) as customers,
        sum(net_cents_365d) as net_cents_365d
    from placed
    group by
        segmentation,
        challenger,
        cube(active_segment, challenger_segment)

),

-- How alike the two are: the pairs of customers that share a segment.
cell_pairs as (

    select
        segmentation,
        challenger,
        active_segment = '(all)' as is_any_active,
        challenger_segment = '(all)' as is_any_challenger,
        cast(customers as double) * (customers - 1) / 2 as pairs_together
    from cells

),

shared_pairs as (

    select
        segmentation,
        challenger,
        sum(case when is_any_active and is_any_challenger then pairs_together else 0 end) as all_pairs,
        sum(case when is_any_challenger and not is_any_active then pairs_together else 0 end) as pairs_in_active,
        sum(case when is_any_active and not is_any_challenger then pairs_together else 0 end) as pairs_in_challenger,
        sum(case when is_any_active or is_any_challenger then 0 else pairs_together end) as pairs_in_both
    from cell_pairs
    group by
        segmentation,
        challenger

),

expected_pairs as (

    select
        *,
        pairs_in_active / nullif(all_pairs, 0) * pairs_in_challenger as pairs_by_chance,
        (pairs_in_active + pairs_in_challenger) / 2 as most_pairs
    from shared_pairs

),

agreements as (

    select
        segmentation,
        challenger,
        -- Undefined where both put everybody together or everybody apart, which is one and the same division.
        coalesce((pairs_in_both - pairs_by_chance) / nullif(most_pairs - pairs_by_chance, 0), 1) as adjusted_rand_index
    from expected_pairs

),

-- How well each of them divides the customers -------------------------------------
segments as (

    select
        segmentation,
        segment,
        cast(count(*) as double) as customers,
        sum(net_cents_365d) as net_cents_365d
    from members
    group by
        segmentation,
        segment

),

populations as (

    select
        segmentation,
        sum(customers) as customers,
        sum(net_cents_365d) as net_cents_365d,
        sum(net_cents_365d) / sum(customers) as mean_cents_365d
    from segments
    group by segmentation

),

between_segments as (

    select
        segments.segmentation,
        sum(
            abs(
                segments.net_cents_365d / nullif(populations.net_cents_365d, 0)
                - segments.customers / populations.customers
            )
        ) / 2 as value_separation,
        sum(
            segments.customers
            * power(segments.net_cents_365d / segments.customers - populations.mean_cents_365d, 2)
        ) as squares
    from segments
    inner join populations
        on segments.segmentation = populations.segmentation
    group by segments.segmentation

),

between_customers as (

    select
        members.segmentation,
        sum(power(members.net_cents_365d - populations.mean_cents_365d, 2)) as squares
    from members
    inner join populations
        on members.segmentation = populations.segmentation
    group by members.segmentation

),

stabilities as (

    select
        members.segmentation,
        count(case when members.segment = fct_segment_spells.segment then 1 end)
        / cast(count(*) as double) as stability
    from members
    inner join fct_segment_spells
        on
            members.customer_id = fct_segment_spells.customer_id
            and members.segmentation = fct_segment_spells.segmentation
            and fct_segment_spells.valid_from <= {{ last_date(-30) }}
    group by members.segmentation

),

-- Rounded, because sums of fractions differ in their last digits with the order of their parts.
measures as (

    select
        between_segments.segmentation,
        stabilities.stability,
        round(between_segments.value_separation, 6) as value_separation,
        round(between_segments.squares / nullif(between_customers.squares, 0), 6) as share_explained
    from between_segments
    inner join between_customers
        on between_segments.segmentation = between_customers.segmentation
    left join stabilities
        on between_segments.segmentation = stabilities.segmentation

),

-- What is said once of a challenger stands in the row of its totals.
totals as (

    select
        challenges.segmentation,
        challenges.challenger,
        '(all)' as active_segment,
        '(all)' as challenger_segment,
        round(agreements.adjusted_rand_index, 6) as adjusted_rand_index,
        active_measures.stability as active_stability,
        challenger_measures.stability as challenger_stability,
        active_measures.value_separation as active_value_separation,
        challenger_measures.value_separation as challenger_value_separation,
        active_measures.share_explained as active_share_explained,
        challenger_measures.share_explained as challenger_share_explained,
        challenges.active_flapping_rate,
        challenges.challenger_flapping_rate
    from challenges
    inner join agreements
        on
            challenges.segmentation = agreements.segmentation
            and challenges.challenger = agreements.challenger
    inner join measures as active_measures
        on challenges.segmentation = active_measures.segmentation
    inner join measures as challenger_measures
        on challenges.challenger = challenger_measures.segmentation

)

select
    {{ last_date() }} as as_of_date,
    cells.segmentation,
    cells.challenger,
    cells.active_segment,
    cells.challenger_segment,
    cells.customers,
    cast(cells.net_cents_365d / 100 as decimal(18, 2)) as net_sales_365d,
    totals.adjusted_rand_index,
    totals.active_stability,
    totals.challenger_stability,
    totals.active_value_separation,
    totals.challenger_value_separation,
    totals.active_share_explained,
    totals.challenger_share_explained,
    totals.active_flapping_rate,
    totals.challenger_flapping_rate
from cells
left join totals
    on
        cells.segmentation = totals.segmentation
        and cells.challenger = totals.challenger
        and cells.active_segment = totals.active_segment
        and cells.challenger_segment = totals.challenger_segment

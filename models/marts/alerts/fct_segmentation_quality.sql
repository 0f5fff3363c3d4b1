{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('as_of_date') }}"
) }}
{%- set days_ago = -var('outgrown_days') %}

with run_days as (
    {{ run_days() }}

),

segmentation_days as (

    select * from {{ ref('segmentation_days') }}
    where segmentation in {{ sql_texts(active_segmentations()) }}

),

fct_segment_spells as (

    select * from {{ ref('fct_segment_spells') }}

),

customer_measures as (

    select
        as_of_date,
        customer_id,
        {{ cents('net_sales_365d') }} as net_cents_365d
    from {{ ref('customer_measures') }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}

),

judged_days as (

    select
        run_days.as_of_date,
        segmentation_days.segmentation,
        segmentation_days.rule_version
    from run_days
    inner join segmentation_days
        on run_days.as_of_date = segmentation_days.as_of_date

),

-- How much of the variance of net sales lies between the segments ---------------------
segments as (

    select
        judged_days.as_of_date,
        judged_days.segmentation,
        fct_segment_spells.segment,
        cast(count(*) as double) as customers,
        sum(customer_measures.net_cents_365d) as net_cents,
        avg(customer_measures.net_cents_365d) as mean_cents,
        var_pop(customer_measures.net_cents_365d) as variance
    from judged_days
    inner join fct_segment_spells
        on
            judged_days.segmentation = fct_segment_spells.segmentation
            and judged_days.as_of_date >= fct_segment_spells.valid_from
            and judged_days.as_of_date < fct_segment_spells.valid_to
    inner join customer_measures
        on
            fct_segment_spells.customer_id = customer_measures.customer_id
            and judged_days.as_of_date = customer_measures.as_of_date
    group by
        judged_days.as_of_date,
        judged_days.segmentation,
        fct_segment_spells.segment

),

populations as (

    select
        as_of_date,
        segmentation,
        sum(customers) as customers,
        sum(net_cents) / sum(customers) as mean_cents
    from segments
    group by
        as_of_date,
        segmentation

),

explained as (

    select
        populations.as_of_date,
        populations.segmentation,
        cast(populations.customers as bigint) as customers,
        sum(segments.customers * power(segments.mean_cents - populations.mean_cents, 2)) as squares_between,
        sum(segments.customers * segments.variance) as squares_within
    from populations
    inner join segments
        on
            populations.as_of_date = segments.as_of_date
            and populations.segmentation = segments.segmentation
    group by
        populations.as_of_date,
        populations.segmentation,
        populations.customers

),

-- How alike the segments are to those of the same customers by the same rules then ------
comparable_days as (

    select
        judged_days.as_of_date,
        judged_days.segmentation,
        segmentation_days.as_of_date as compared_date
    from judged_days
    inner join segmentation_days
        on
            judged_days.segmentation = segmentation_days.segmentation
            and judged_days.rule_version = segmentation_days.rule_version
            and {{ add_days('judged_days.as_of_date', days_ago) }} = segmentation_days.as_of_date

),

cells as (

    select
        comparable_days.as_of_date,
        comparable_days.segmentation,
        comparable_days.compared_date,
        segments_now.segment,
        segments_then.segment as segment_then,
        cast(count(*) as double) as customers
    from comparable_days
    inner join fct_segment_spells as segments_now
        on
            comparable_days.segmentation = segments_now.segmentation
            and comparable_days.as_of_date >= segments_now.valid_from
            and comparable_days.as_of_date < segments_now.valid_to
    inner join fct_segment_spells as segments_then
        on
            segments_now.customer_id = segments_then.customer_id
            and segments_now.segmentation = segments_then.segmentation
            and comparable_days.compared_date >= segments_then.valid_from
            and comparable_days.compared_date < segments_then.valid_to
    group by
        comparable_days.as_of_date,
        comparable_days.segmentation,
        comparable_days.compared_date,
        segments_now.segment,
        segments_then.segment

),

margins as (

    select
        *,
        sum(customers) over (partition by as_of_date, segmentation) as all_customers,
        sum(customers) over (partition by as_of_date, segmentation, segment) as customers_now,
        sum(customers) over (partition by as_of_date, segmentation, segment_then) as customers_then
    from cells

),

cell_shares as (

    select
        *,
        customers / all_customers as cell_share,
        customers_now / all_customers as share_now,
        customers_then / all_customers as share_then
    from margins

),

-- The chances that two customers share a segment: both times, now, and then. The index
-- is made of them.
chances as (

    select
        as_of_date,
        segmentation,
        compared_date,
        all_customers,
        sum(cell_share * (customers - 1)) / nullif(all_customers - 1, 0) as together_both,
        sum(cell_share * (customers_now - 1)) / nullif(all_customers - 1, 0) as together_now,
        sum(cell_share * (customers_then - 1)) / nullif(all_customers - 1, 0) as together_then
    from cell_shares
    group by
        as_of_date,
        segmentation,
        compared_date,
        all_customers

),

parts as (

    select
        *,
        together_both - together_now * together_then as more_than_by_chance,
        (together_now + together_then) / 2 - together_now * together_then as most_by_chance
    from chances

),

-- How much the index changes with each cell's share: its derivative, which gives the
-- standard error (delta method; customers drawn independently).
gradients as (

    select
        parts.as_of_date,
        parts.segmentation,
        cell_shares.cell_share,
        (
            2 * (
                cell_shares.cell_share
                - cell_shares.share_now * parts.together_then
                - cell_shares.share_then * parts.together_now
            ) * parts.most_by_chance
            - parts.more_than_by_chance * (
                cell_shares.share_now + cell_shares.share_then
                - 2 * cell_shares.share_now * parts.together_then
                - 2 * cell_shares.share_then * parts.together_now
            )
        ) / nullif(parts.most_by_chance * parts.most_by_chance, 0) as gradient
    from parts
    inner join cell_shares
        on
            parts.as_of_date = cell_shares.as_of_date
            and parts.segmentation = cell_shares.segmentation

),

variances as (

    select
        as_of_date,
        segmentation,
        sum(cell_share * gradient * gradient) - power(sum(cell_share * gradient), 2) as variance
    from gradients
    group by
        as_of_date,
        segmentation

),

agreements as (

    select
        parts.as_of_date,
        parts.segmentation,
        parts.compared_date,
        cast(parts.all_customers as bigint) as compared_customers,
        -- Undefined where both put everybody together or everybody apart, which is one and the same division.
        coalesce(parts.more_than_by_chance / nullif(parts.most_by_chance, 0), 1) as adjusted_rand_index,
        sqrt(greatest(coalesce(variances.variance, 0), 0) / parts.all_customers) as standard_error
    from parts
    inner join variances
        on
            parts.as_of_date = variances.as_of_date
            and parts.segmentation = variances.segmentation

)

select
    explained.as_of_date,
    explained.segmentation,
    explained.customers,
    round(explained.squares_between / nullif(explained.squares_between + explained.squares_within, 0), 6)
        as share_explained,
    agreements.compared_date,
    agreements.compared_customers,
    round(agreements.adjusted_rand_index, 6) as adjusted_rand_index,
    round(agreements.standard_error, 6) as adjusted_rand_index_error
from explained
left join agreements
    on
        explained.as_of_date = agreements.as_of_date
        and explained.segmentation = agreements.segmentation

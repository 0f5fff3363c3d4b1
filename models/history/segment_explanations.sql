-- Compiled by `python -m flows.compile` from seg_*.yml: edit that file, not this one.
{{ config(materialized='view') }}

with segment_fits as (

    select * from {{ ref('segment_fits') }}

),

waiting_segments as (

    select * from {{ ref('waiting_segments') }}

),

segment_versions as (

    select * from {{ ref('segment_versions') }}

),

fits as (

    select
        customer_id,
        cast('seg_deals' as {{ dbt.type_string() }}) as segmentation,
        cast('c7ede16a91af' as {{ dbt.type_string() }}) as rule_version,
        decided_0 as decided,
        held_0 as held,
        fit_0 as fit,
        nearest_0 as nearest,
        change_0 as change
    from segment_fits
    union all
    select
        customer_id,
        cast('seg_household' as {{ dbt.type_string() }}) as segmentation,
        cast('cde0d9c4d94e' as {{ dbt.type_string() }}) as rule_version,
        decided_1 as decided,
        held_1 as held,
        fit_1 as fit,
        nearest_1 as nearest,
        change_1 as change
    from segment_fits
    union all
    select
        customer_id,
        cast('seg_lifecycle' as {{ dbt.type_string() }}) as segmentation,
        cast('e4744e8f9a9b' as {{ dbt.type_string() }}) as rule_version,
        decided_2 as decided,
        held_2 as held,
        fit_2 as fit,
        nearest_2 as nearest,
        change_2 as change
    from segment_fits
    union all
    select
        customer_id,
        cast('seg_value' as {{ dbt.type_string() }}) as segmentation,
        cast('ae547786a153' as {{ dbt.type_string() }}) as rule_version,
        decided_3 as decided,
        held_3 as held,
        fit_3 as fit,
        nearest_3 as nearest,
        change_3 as change
    from segment_fits
    union all
    select
        customer_id,
        cast('seg_value_by_spend' as {{ dbt.type_string() }}) as segmentation,
        cast('0699c7124000' as {{ dbt.type_string() }}) as rule_version,
        decided_4 as decided,
        held_4 as held,
        fit_4 as fit,
        nearest_4 as nearest,
        change_4 as change
    from segment_fits

)

select
    fits.customer_id,
    fits.segmentation,
    fits.rule_version,
    coalesce(waiting_segments.segment, decided.segment) as segment,
    decided.segment as rule_segment,
    fits.held as held_clauses,
    fits.fit,
    nearest.segment as nearest_segment,
    fits.change
from fits
inner join segment_versions as decided
    on
        fits.segmentation = decided.segmentation
        and fits.rule_version = decided.rule_version
        and fits.decided = decided.position
left join segment_versions as nearest
    on
        fits.segmentation = nearest.segmentation
        and fits.rule_version = nearest.rule_version
        and fits.nearest = nearest.position
left join waiting_segments
    on
        fits.customer_id = waiting_segments.customer_id
        and fits.segmentation = waiting_segments.segmentation

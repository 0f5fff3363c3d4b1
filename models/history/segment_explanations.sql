-- Compiled by `python -m flows.compile` from seg_*.yml: edit that file, not this one.
{{ config(materialized='view') }}

with segment_fits as (

    select * from {{ ref('segment_fits') }}

),

waiting_segments as (

    select * from {{ ref('waiting_segments') }}

)

select
    segment_fits.customer_id,
    cast('seg_deals' as {{ dbt.type_string() }}) as segmentation,
    cast('c7ede16a91af' as {{ dbt.type_string() }}) as rule_version,
    coalesce(
        waiting_segments.segment,
        case segment_fits.decided_0
            when 1 then 'coupon_users'
            when 2 then 'deal_seekers'
            when 3 then 'full_price'
            when 4 then 'balanced'
            when 5 then 'no_purchases'
        end
    ) as segment,
    case segment_fits.decided_0
        when 1 then 'coupon_users'
        when 2 then 'deal_seekers'
        when 3 then 'full_price'
        when 4 then 'balanced'
        when 5 then 'no_purchases'
    end as rule_segment,
    segment_fits.held_0 as held_clauses,
    segment_fits.fit_0 as fit,
    case segment_fits.nearest_0
        when 1 then 'coupon_users'
        when 2 then 'deal_seekers'
        when 3 then 'full_price'
        when 4 then 'balanced'
        when 5 then 'no_purchases'
    end as nearest_segment,
    segment_fits.change_0 as change
from segment_fits
left join waiting_segments
    on
        segment_fits.customer_id = waiting_segments.customer_id
        and waiting_segments.segmentation = 'seg_deals'

union all

select
    segment_fits.customer_id,
    cast('seg_household' as {{ dbt.type_string() }}) as segmentation,
    cast('cde0d9c4d94e' as {{ dbt.type_string() }}) as rule_version,
    case segment_fits.decided_1
        when 1 then 'families'
        when 2 then 'seniors'
        when 3 then 'young_singles'
        when 4 then 'young_couples'
        when 5 then 'singles'
        when 6 then 'couples'
        when 7 then 'unknown'
    end as segment,
    case segment_fits.decided_1
        when 1 then 'families'
        when 2 then 'seniors'
        when 3 then 'young_singles'
        when 4 then 'young_couples'
        when 5 then 'singles'
        when 6 then 'couples'
        when 7 then 'unknown'
    end as rule_segment,
    segment_fits.held_1 as held_clauses,
    segment_fits.fit_1 as fit,
    case segment_fits.nearest_1
        when 1 then 'families'
        when 2 then 'seniors'
        when 3 then 'young_singles'
        when 4 then 'young_couples'
        when 5 then 'singles'
        when 6 then 'couples'
        when 7 then 'unknown'
    end as nearest_segment,
    segment_fits.change_1 as change
from segment_fits

union all

select
    segment_fits.customer_id,
    cast('seg_lifecycle' as {{ dbt.type_string() }}) as segmentation,
    cast('e4744e8f9a9b' as {{ dbt.type_string() }}) as rule_version,
    case segment_fits.decided_2
        when 1 then 'prospect'
        when 2 then 'churned'
        when 3 then 'at_risk'
        when 4 then 'new'
        when 5 then 'reactivated'
        when 6 then 'loyal'
        when 7 then 'active'
    end as segment,
    case segment_fits.decided_2
        when 1 then 'prospect'
        when 2 then 'churned'
        when 3 then 'at_risk'
        when 4 then 'new'
        when 5 then 'reactivated'
        when 6 then 'loyal'
        when 7 then 'active'
    end as rule_segment,
    segment_fits.held_2 as held_clauses,
    segment_fits.fit_2 as fit,
    case segment_fits.nearest_2
        when 1 then 'prospect'
        when 2 then 'churned'
        when 3 then 'at_risk'
        when 4 then 'new'
        when 5 then 'reactivated'
        when 6 then 'loyal'
        when 7 then 'active'
    end as nearest_segment,
    segment_fits.change_2 as change
from segment_fits

union all

select
    segment_fits.customer_id,
    cast('seg_value' as {{ dbt.type_string() }}) as segmentation,
    cast('ae547786a153' as {{ dbt.type_string() }}) as rule_version,
    coalesce(
        waiting_segments.segment,
        case segment_fits.decided_3
            when 1 then 'champions'
            when 2 then 'loyal_customers'
            when 3 then 'potential_loyalists'
            when 4 then 'recent_customers'
            when 5 then 'promising'
            when 6 then 'needs_attention'
            when 7 then 'about_to_sleep'
            when 8 then 'cannot_lose'
            when 9 then 'at_risk'
            when 10 then 'hibernating'
            when 11 then 'no_recent_orders'
        end
    ) as segment,
    case segment_fits.decided_3
        when 1 then 'champions'
        when 2 then 'loyal_customers'
        when 3 then 'potential_loyalists'
        when 4 then 'recent_customers'
        when 5 then 'promising'
        when 6 then 'needs_attention'
        when 7 then 'about_to_sleep'
        when 8 then 'cannot_lose'
        when 9 then 'at_risk'
        when 10 then 'hibernating'
        when 11 then 'no_recent_orders'
    end as rule_segment,
    segment_fits.held_3 as held_clauses,
    segment_fits.fit_3 as fit,
    case segment_fits.nearest_3
        when 1 then 'champions'
        when 2 then 'loyal_customers'
        when 3 then 'potential_loyalists'
        when 4 then 'recent_customers'
        when 5 then 'promising'
        when 6 then 'needs_attention'
        when 7 then 'about_to_sleep'
        when 8 then 'cannot_lose'
        when 9 then 'at_risk'
        when 10 then 'hibernating'
        when 11 then 'no_recent_orders'
    end as nearest_segment,
    segment_fits.change_3 as change
from segment_fits
left join waiting_segments
    on
        segment_fits.customer_id = waiting_segments.customer_id
        and waiting_segments.segmentation = 'seg_value'

union all

select
    segment_fits.customer_id,
    cast('seg_value_by_spend' as {{ dbt.type_string() }}) as segmentation,
    cast('0699c7124000' as {{ dbt.type_string() }}) as rule_version,
    coalesce(
        waiting_segments.segment,
        case segment_fits.decided_4
            when 1 then 'champions'
            when 2 then 'loyal_customers'
            when 3 then 'potential_loyalists'
            when 4 then 'recent_customers'
            when 5 then 'promising'
            when 6 then 'needs_attention'
            when 7 then 'about_to_sleep'
            when 8 then 'cannot_lose'
            when 9 then 'at_risk'
            when 10 then 'hibernating'
            when 11 then 'no_recent_orders'
        end
    ) as segment,
    case segment_fits.decided_4
        when 1 then 'champions'
        when 2 then 'loyal_customers'
        when 3 then 'potential_loyalists'
        when 4 then 'recent_customers'
        when 5 then 'promising'
        when 6 then 'needs_attention'
        when 7 then 'about_to_sleep'
        when 8 then 'cannot_lose'
        when 9 then 'at_risk'
        when 10 then 'hibernating'
        when 11 then 'no_recent_orders'
    end as rule_segment,
    segment_fits.held_4 as held_clauses,
    segment_fits.fit_4 as fit,
    case segment_fits.nearest_4
        when 1 then 'champions'
        when 2 then 'loyal_customers'
        when 3 then 'potential_loyalists'
        when 4 then 'recent_customers'
        when 5 then 'promising'
        when 6 then 'needs_attention'
        when 7 then 'about_to_sleep'
        when 8 then 'cannot_lose'
        when 9 then 'at_risk'
        when 10 then 'hibernating'
        when 11 then 'no_recent_orders'
    end as nearest_segment,
    segment_fits.change_4 as change
from segment_fits
left join waiting_segments
    on
        segment_fits.customer_id = waiting_segments.customer_id
        and waiting_segments.segmentation = 'seg_value_by_spend'

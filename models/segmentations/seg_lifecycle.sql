-- Compiled by `python -m flows.compile` from seg_lifecycle.yml: edit that file, not this one.

-- Where a customer stands in their life with the company: from prospect over new, active and loyal to at risk and
-- churned, and back. The days come from the gaps between the demo's order days (127,431 order days in 2017): half of
-- them are at most 3 days, 97.5 % at most 31, 99 % at most 51. A pause over 31 days is therefore rare enough to ask
-- why, one over 51 an absence, and one of 90 days is taken as leaving.
with customer_features as (

    select * from {{ ref('customer_features') }}

),

decided as (

    select
        customer_features.customer_id,
        customer_features.as_of_date,
        cast('seg_lifecycle' as {{ dbt.type_string() }}) as segmentation,
        case
            -- Known to us, but never ordered.
            when customer_features.orders_lifetime = 0 then 'prospect'
            -- No order for more than 90 days.
            when customer_features.days_since_last_order > 90 then 'churned'
            -- No order for 32 to 90 days, longer than 97.5 % of all gaps between orders.
            when customer_features.days_since_last_order > 31 then 'at_risk'
            -- First order within the last 60 days, and not silent since.
            when customer_features.days_since_first_order <= 60 then 'new'
            -- Came back within the last 90 days after an absence of more than 51 days.
            when customer_features.longest_pause_90d > 51 then 'reactivated'
            -- Shops at least 13 days in 90, about once a week or more.
            when customer_features.active_days_90d >= 13 then 'loyal'
            -- Ordered within the last 31 days, less than weekly.
            else 'active'
        end as segment,
        cast('e4744e8f9a9b' as {{ dbt.type_string() }}) as rule_version,
        -- A bit for each clause that holds, so that moves and explanations can tell which.
        cast(
            case when customer_features.orders_lifetime = 0 then 1 else 0 end
            + case when customer_features.days_since_last_order > 90 then 2 else 0 end
            + case when customer_features.days_since_last_order > 31 then 4 else 0 end
            + case when customer_features.days_since_first_order <= 60 then 8 else 0 end
            + case when customer_features.longest_pause_90d > 51 then 16 else 0 end
            + case when customer_features.active_days_90d >= 13 then 32 else 0 end
            as bigint
        ) as held_clauses
    from customer_features

)

select * from decided

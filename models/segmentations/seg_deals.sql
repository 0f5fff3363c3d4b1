-- Compiled by `python -m flows.compile` from seg_deals.yml: edit that file, not this one.

-- How much discounts and coupons matter to a customer. The discount share is compared with the population's own
-- percentiles on the day, so the segments keep their meaning while prices change; a move counts after seven days.
with customer_features as (

    select * from {{ ref('customer_features') }}

),

rule_cut_points as (

    select * from {{ ref('rule_cut_points') }}

),

decided as (

    select
        customer_features.customer_id,
        customer_features.as_of_date,
        cast('seg_deals' as {{ dbt.type_string() }}) as segmentation,
        case
            -- Redeemed at least two campaign coupons within a year.
            when customer_features.responses_365d >= 2 then 'coupon_users'
            -- Among the fifth with the highest discount share.
            when
                customer_features.discount_share_365d >= rule_cut_points.discount_share_365d_p80
                then 'deal_seekers'
            -- Among the fifth with the lowest discount share.
            when
                customer_features.discount_share_365d <= rule_cut_points.discount_share_365d_p20
                then 'full_price'
            -- Between the two.
            when customer_features.discount_share_365d is not null then 'balanced'
            -- Bought nothing in the last 365 days.
            else 'no_purchases'
        end as segment,
        cast('c7ede16a91af' as {{ dbt.type_string() }}) as rule_version,
        -- A bit for each clause that holds, so that moves and explanations can tell which.
        cast(
            case when customer_features.responses_365d >= 2 then 1 else 0 end
            + case
                when customer_features.discount_share_365d >= rule_cut_points.discount_share_365d_p80
                    then 2
                else 0
            end
            + case
                when customer_features.discount_share_365d <= rule_cut_points.discount_share_365d_p20
                    then 4
                else 0
            end
            + case when customer_features.discount_share_365d is not null then 8 else 0 end
            as bigint
        ) as held_clauses
    from customer_features
    left join rule_cut_points
        on customer_features.as_of_date = rule_cut_points.as_of_date

)

select * from decided

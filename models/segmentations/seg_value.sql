-- Compiled by `python -m flows.compile` from seg_value.yml: edit that file, not this one.

-- RFM value segments: the 25 cells of recency score x frequency score over the last 365 days, each in exactly one of
-- ten segments, and an eleventh for customers without an order in that time. The scores are fifths of the customers
-- with orders, and in a grocer's demo the recency fifths lie only days apart, so customers swing between them with
-- every shopping trip: 160,926 moves in 275 days. A move therefore counts after three days, which leaves 54,824; on
-- the last day 31 % of the customers are then in another segment than the rules alone would say.
with customer_features as (

    select * from {{ ref('customer_features') }}

),

decided as (

    select
        customer_features.customer_id,
        customer_features.as_of_date,
        cast('seg_value' as {{ dbt.type_string() }}) as segmentation,
        case
            -- Ordered most recently and among the two most frequent fifths.
            when
                customer_features.recency_score = 5
                and customer_features.frequency_score >= 4
                then 'champions'
            -- Frequent, and ordered fairly recently.
            when
                customer_features.recency_score in (3, 4)
                and customer_features.frequency_score >= 4
                then 'loyal_customers'
            -- Ordered recently, middling in frequency.
            when
                customer_features.recency_score >= 4
                and customer_features.frequency_score in (2, 3)
                then 'potential_loyalists'
            -- Ordered most recently, but rarely.
            when
                customer_features.recency_score = 5
                and customer_features.frequency_score = 1
                then 'recent_customers'
            -- Ordered recently, but rarely.
            when
                customer_features.recency_score = 4
                and customer_features.frequency_score = 1
                then 'promising'
            -- Middling in recency and frequency.
            when
                customer_features.recency_score = 3
                and customer_features.frequency_score = 3
                then 'needs_attention'
            -- Middling in recency, rare in frequency.
            when
                customer_features.recency_score = 3
                and customer_features.frequency_score <= 2
                then 'about_to_sleep'
            -- Among the most frequent fifth, but silent lately.
            when
                customer_features.recency_score <= 2
                and customer_features.frequency_score = 5
                then 'cannot_lose'
            -- Frequent, but silent lately.
            when
                customer_features.recency_score <= 2
                and customer_features.frequency_score in (3, 4)
                then 'at_risk'
            -- Rare and silent lately.
            when
                customer_features.recency_score <= 2
                and customer_features.frequency_score <= 2
                then 'hibernating'
            -- No order in the last 365 days, so without scores.
            else 'no_recent_orders'
        end as segment,
        cast('ae547786a153' as {{ dbt.type_string() }}) as rule_version,
        -- A bit for each clause that holds, so that moves and explanations can tell which.
        cast(
            case when customer_features.recency_score = 5 then 1 else 0 end
            + case when customer_features.frequency_score >= 4 then 2 else 0 end
            + case when customer_features.recency_score in (3, 4) then 4 else 0 end
            + case when customer_features.recency_score >= 4 then 8 else 0 end
            + case when customer_features.frequency_score in (2, 3) then 16 else 0 end
            + case when customer_features.frequency_score = 1 then 32 else 0 end
            + case when customer_features.recency_score = 4 then 64 else 0 end
            + case when customer_features.recency_score = 3 then 128 else 0 end
            + case when customer_features.frequency_score = 3 then 256 else 0 end
            + case when customer_features.frequency_score <= 2 then 512 else 0 end
            + case when customer_features.recency_score <= 2 then 1024 else 0 end
            + case when customer_features.frequency_score = 5 then 2048 else 0 end
            + case when customer_features.frequency_score in (3, 4) then 4096 else 0 end
            as bigint
        ) as held_clauses
    from customer_features

)

select * from decided

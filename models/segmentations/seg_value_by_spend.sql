-- Compiled by `python -m flows.compile` from seg_value_by_spend.yml: edit that file, not this one.

-- Recency score x monetary score: the cells and names of seg_value, with what a customer spends in the place of how
-- often they come. On the demo's last day 46 % of the customers lie in another fifth of spend than of orders, and 7 %
-- two or more fifths away; in the most frequent fifth the middle eight tenths spend between 1,662 and 7,924 a year.
-- The fifth that spends most brings 55 % of the net sales, the fifth that comes most often 46 % . It is bound to
-- explain more of the net sales (61 % of their variance, seg_value 46 % ), since they define it; the question is
-- whether customers move more for it. They do not: 53,515 moves count in 275 days, 54,824 in seg_value.
with customer_features as (

    select * from {{ ref('customer_features') }}

),

decided as (

    select
        customer_features.customer_id,
        customer_features.as_of_date,
        cast('seg_value_by_spend' as {{ dbt.type_string() }}) as segmentation,
        case
            -- Ordered most recently and among the two fifths that spend most.
            when
                customer_features.recency_score = 5
                and customer_features.monetary_score >= 4
                then 'champions'
            -- Spend much, and ordered fairly recently.
            when
                customer_features.recency_score in (3, 4)
                and customer_features.monetary_score >= 4
                then 'loyal_customers'
            -- Ordered recently, middling in spend.
            when
                customer_features.recency_score >= 4
                and customer_features.monetary_score in (2, 3)
                then 'potential_loyalists'
            -- Ordered most recently, but spends little.
            when
                customer_features.recency_score = 5
                and customer_features.monetary_score = 1
                then 'recent_customers'
            -- Ordered recently, but spends little.
            when
                customer_features.recency_score = 4
                and customer_features.monetary_score = 1
                then 'promising'
            -- Middling in recency and spend.
            when
                customer_features.recency_score = 3
                and customer_features.monetary_score = 3
                then 'needs_attention'
            -- Middling in recency, low in spend.
            when
                customer_features.recency_score = 3
                and customer_features.monetary_score <= 2
                then 'about_to_sleep'
            -- Among the fifth that spends most, but silent lately.
            when
                customer_features.recency_score <= 2
                and customer_features.monetary_score = 5
                then 'cannot_lose'
            -- Spent well, but silent lately.
            when
                customer_features.recency_score <= 2
                and customer_features.monetary_score in (3, 4)
                then 'at_risk'
            -- Low in spend and silent lately.
            when
                customer_features.recency_score <= 2
                and customer_features.monetary_score <= 2
                then 'hibernating'
            -- No order in the last 365 days, so without scores.
            else 'no_recent_orders'
        end as segment,
        cast('0699c7124000' as {{ dbt.type_string() }}) as rule_version,
        -- A bit for each clause that holds, so that moves and explanations can tell which.
        cast(
            case when customer_features.recency_score = 5 then 1 else 0 end
            + case when customer_features.monetary_score >= 4 then 2 else 0 end
            + case when customer_features.recency_score in (3, 4) then 4 else 0 end
            + case when customer_features.recency_score >= 4 then 8 else 0 end
            + case when customer_features.monetary_score in (2, 3) then 16 else 0 end
            + case when customer_features.monetary_score = 1 then 32 else 0 end
            + case when customer_features.recency_score = 4 then 64 else 0 end
            + case when customer_features.recency_score = 3 then 128 else 0 end
            + case when customer_features.monetary_score = 3 then 256 else 0 end
            + case when customer_features.monetary_score <= 2 then 512 else 0 end
            + case when customer_features.recency_score <= 2 then 1024 else 0 end
            + case when customer_features.monetary_score = 5 then 2048 else 0 end
            + case when customer_features.monetary_score in (3, 4) then 4096 else 0 end
            as bigint
        ) as held_clauses
    from customer_features

)

select * from decided

-- Each of the 25 cells lies in exactly one of the ten segments of seg_value, and nobody with scores in the eleventh.
with cells as (

    select
        customer_features.recency_score,
        customer_features.frequency_score,
        count(distinct seg_value.segment) as segments,
        max(case when seg_value.segment = 'no_recent_orders' then 1 else 0 end) as in_the_eleventh
    from {{ ref('customer_features') }} as customer_features
    inner join {{ ref('seg_value') }} as seg_value
        on
            customer_features.customer_id = seg_value.customer_id
            and customer_features.as_of_date = seg_value.as_of_date
    where
        customer_features.recency_score is not null
        and customer_features.as_of_date = {{ last_date() }}
    group by
        customer_features.recency_score,
        customer_features.frequency_score

)

select *
from cells
where
    segments <> 1
    or in_the_eleventh = 1

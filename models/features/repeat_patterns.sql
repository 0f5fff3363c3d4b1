{{ config(materialized='table') }}

select
    as_of_date,
    horizon_days,
    repeats,
    recency_days,
    age_days,
    count(*) as customers
from {{ ref('customer_repeats') }}
group by
    as_of_date,
    horizon_days,
    repeats,
    recency_days,
    age_days

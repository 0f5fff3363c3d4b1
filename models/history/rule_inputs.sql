-- Compiled by `python -m flows.compile` from seg_*.yml: edit that file, not this one.
{{ config(materialized='view') }}

with customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date = {{ last_date() }}

),

waiting_segments as (

    select * from {{ ref('waiting_segments') }}

),

waiting_customers as (

    select
        customer_id,
        max(case when segmentation = 'seg_deals' then segment end) as waiting_0,
        max(case when segmentation = 'seg_value' then segment end) as waiting_3,
        max(case when segmentation = 'seg_value_by_spend' then segment end) as waiting_4
    from waiting_segments
    group by customer_id

),

inputs as (

    select
        customer_features.customer_id,
        customer_features.as_of_date,
        cast(customer_features.responses_365d as double) as responses_365d,
        cast(customer_features.discount_share_365d as double) as discount_share_365d,
        cast(customer_features.household_composition as {{ dbt.type_string() }}) as household_composition,
        cast(customer_features.age_band as {{ dbt.type_string() }}) as age_band,
        cast(customer_features.orders_lifetime as double) as orders_lifetime,
        cast(customer_features.days_since_last_order as double) as days_since_last_order,
        cast(customer_features.days_since_first_order as double) as days_since_first_order,
        cast(customer_features.longest_pause_90d as double) as longest_pause_90d,
        cast(customer_features.active_days_90d as double) as active_days_90d,
        cast(customer_features.recency_score as double) as recency_score,
        cast(customer_features.frequency_score as double) as frequency_score,
        cast(customer_features.monetary_score as double) as monetary_score,
        waiting_customers.waiting_0,
        waiting_customers.waiting_3,
        waiting_customers.waiting_4
    from customer_features
    left join waiting_customers
        on customer_features.customer_id = waiting_customers.customer_id

)

select * from inputs

{{ config(materialized='table') }}

with customer_category_days as (

    select * from {{ ref('customer_category_days') }}
    where
        activity_date > {{ last_date(-365) }}
        and activity_date <= {{ last_date() }}

),

summed as (

    select
        customer_id,
        category,
        sum(net_exact) as net_exact
    from customer_category_days
    where
        category is not null
        {%- for category in var('cross_sell_excluded_categories') %}
        and category <> {{ sql_text(category) }}
        {%- endfor %}
    group by
        customer_id,
        category

)

select
    customer_id,
    category,
    net_exact
from summed
where net_exact > 0

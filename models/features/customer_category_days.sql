-- depends_on: {{ ref('delivered_days') }}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget_changed_days() }}"
) }}

with transactions as (

    select *
    from {{ ref('transactions') }}
    where
        order_date <= {{ last_date() }}
        {% if is_incremental() %}
        and order_date not in (select known.activity_date from {{ this }} as known)
        {% endif %}

),

products as (

    select * from {{ ref('products') }}

),

days as (

    select
        transactions.customer_id,
        transactions.order_date as activity_date,
        products.category,
        count(*) as lines,
        sum({{ line_fingerprint() }}) as fingerprint,
        sum({{ cents('transactions.net_amount') }}) as net_cents
    from transactions
    left join products
        on transactions.product_id = products.product_id
    group by
        transactions.customer_id,
        transactions.order_date,
        products.category

)

select * from days

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget_changed_days() }}"
) }}

with transactions as (
    {{ lines_to_append() }}

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

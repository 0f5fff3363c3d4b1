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
        count(case when not transactions.is_return then 1 end) as sale_lines,
        sum(case when not transactions.is_return then {{ exact('transactions.net_amount') }} else 0 end) as sales_exact,
        sum({{ exact('transactions.net_amount') }}) as net_exact
    from transactions
    left join products
        on transactions.product_id = products.product_id
    group by
        transactions.customer_id,
        transactions.order_date,
        products.category

)

select * from days

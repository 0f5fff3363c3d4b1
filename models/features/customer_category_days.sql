-- depends_on: {{ ref('delivered_days') }}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget_changed_days() }}"
) }}

{% if is_incremental() -%}
with new_days as (

    select delivered_days.activity_date
    from {{ ref('delivered_days') }} as delivered_days
    where
        delivered_days.activity_date <= {{ last_date() }}
        and delivered_days.activity_date not in (select known.activity_date from {{ this }} as known)

),

transactions as (

    select transactions.*
    from {{ ref('transactions') }} as transactions
    where
        transactions.order_date in (select new_days.activity_date from new_days)
        -- Spares reading the lines of older days.
        and transactions.ordered_at >= (select min(new_days.activity_date) from new_days)

),
{%- else -%}
with transactions as (

    select *
    from {{ ref('transactions') }}
    where order_date <= {{ last_date() }}

),
{%- endif %}

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

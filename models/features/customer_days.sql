{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget_changed_days() }}"
) }}

-- What late rows change is logged before it is changed here.
-- depends_on: {{ ref('late_customer_days') }}

with transactions as (
    {{ lines_to_append() }}

),

products as (

    select * from {{ ref('products') }}

),

-- Grouped twice: lines to orders, orders to days. Cheaper than count(distinct).
orders as (

    select
        transactions.customer_id,
        transactions.order_id,
        min(transactions.order_date) as activity_date,
        count(*) as lines,
        sum({{ line_fingerprint() }}) as fingerprint,
        sum(cast(transactions.units as double)) as units,
        sum({{ cents('transactions.net_amount') }}) as net_cents,
        sum({{ cents('transactions.discount_amount') }}) as discount_cents,
        sum({{ cents('transactions.coupon_amount') }}) as coupon_cents,
        sum(
            case
                when products.is_private_label then {{ cents('transactions.net_amount') }}
                when not products.is_private_label then 0
            end
        ) as private_label_cents,
        sum(case when transactions.cost_amount is not null then {{ cents('transactions.net_amount') }} end)
            as costed_cents,
        sum({{ cents('transactions.cost_amount') }}) as cost_cents
    from transactions
    left join products
        on transactions.product_id = products.product_id
    group by
        transactions.customer_id,
        transactions.order_id,
        transactions.order_date

),

days as (

    select
        customer_id,
        activity_date,
        cast(sum(cast(lines as double)) as bigint) as lines,
        sum(fingerprint) as fingerprint,
        count(*) as orders,
        cast(sum(units) as bigint) as units,
        sum(net_cents) as net_cents,
        sum(discount_cents) as discount_cents,
        sum(coupon_cents) as coupon_cents,
        sum(private_label_cents) as private_label_cents,
        sum(costed_cents) as costed_cents,
        sum(cost_cents) as cost_cents
    from orders
    group by
        customer_id,
        activity_date

)

select * from days

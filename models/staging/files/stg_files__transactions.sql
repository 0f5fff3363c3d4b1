{{ config(enabled = 'files' in var('sources')) }}

with transactions as (

    select * from {{ source('files', 'transactions') }}

),

typed as (

    select
        -- ids
        {{ customer_key('customer_id') }} as customer_id,
        try_cast(order_id as {{ dbt.type_string() }}) as order_id,
        try_cast(product_id as {{ dbt.type_string() }}) as product_id,

        -- dates
        try_cast(ordered_at as timestamp) as ordered_at,
        cast(try_cast(ordered_at as timestamp) as date) as order_date,

        -- amounts
        coalesce(try_cast(units as bigint), 1) as units,
        try_cast(net_amount as decimal(18, 2)) as net_amount,
        coalesce(try_cast(discount_amount as decimal(18, 2)), 0) as discount_amount,
        coalesce(try_cast(coupon_amount as decimal(18, 2)), 0) as coupon_amount,
        try_cast(cost_amount as decimal(18, 2)) as cost_amount
    from transactions

)

select * from typed

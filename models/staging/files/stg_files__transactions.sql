{{ config(enabled = 'files' in var('sources')) }}

with transactions as (

    select * from {{ source('files', 'transactions') }}

),

typed as (

    select
        -- ids
        {{ customer_key('customer_id') }} as customer_id,
        order_id,
        product_id,

        -- dates
        ordered_at,
        cast(ordered_at as date) as order_date,

        -- what the line is
        is_return,
        order_status,

        -- amounts
        coalesce(units, 1) as units,
        net_amount,
        {{ as_positive('discount_amount', var('files_discount_sign')) }} as discount_amount,
        {{ as_positive('coupon_amount', var('files_discount_sign')) }} as coupon_amount,
        cost_amount
    from transactions

)

select * from typed

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
        discount_amount,
        coupon_amount,
        cost_amount
    from transactions

)

select * from typed

{{ config(enabled = 'completejourney' in var('sources')) }}

with transactions as (

    select * from {{ source('completejourney', 'transactions') }}

),

localized as (

    select
        *,
        {{ local_timestamp('transaction_timestamp') }} as ordered_at
    from transactions

),

renamed as (

    select
        -- ids
        cast(household_id as {{ var('customer_id_type') }}) as customer_id,
        cast(basket_id as {{ dbt.type_string() }}) as order_id,
        cast(product_id as {{ dbt.type_string() }}) as product_id,

        -- dates
        ordered_at,
        cast(ordered_at as date) as order_date,

        -- what the line is: there are neither returns nor cancelled orders
        cast(null as boolean) as is_return,
        cast(null as {{ dbt.type_string() }}) as order_status,

        -- amounts
        -- Over 1,000 the quantity is a measure (fuel), and the purchase one unit.
        cast(case when quantity > 1000 then 1 else quantity end as decimal(18, 3)) as units,
        cast(sales_value as decimal(18, 4)) as net_amount,
        cast(retail_disc as decimal(18, 4))
        + cast(coupon_match_disc as decimal(18, 4)) as discount_amount,
        cast(coupon_disc as decimal(18, 4)) as coupon_amount,
        -- Costs are not delivered.
        cast(null as decimal(18, 4)) as cost_amount
    from localized

)

select * from renamed

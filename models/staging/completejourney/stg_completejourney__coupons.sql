{{ config(enabled = 'completejourney' in var('sources')) }}

with coupons as (

    select * from {{ source('completejourney', 'coupons') }}

),

deduplicated as (

    select distinct
        cast(coupon_upc as {{ dbt.type_string() }}) as offer_id,
        cast(product_id as {{ dbt.type_string() }}) as product_id,
        cast(campaign_id as {{ dbt.type_string() }}) as campaign_id
    from coupons

)

select * from deduplicated

{{ config(enabled = 'completejourney' in var('sources')) }}

with coupon_redemptions as (

    select * from {{ source('completejourney', 'coupon_redemptions') }}

),

renamed as (

    select
        cast(household_id as {{ var('customer_id_type') }}) as customer_id,
        cast(campaign_id as {{ dbt.type_string() }}) as campaign_id,
        cast(coupon_upc as {{ dbt.type_string() }}) as offer_id,
        cast(redemption_date as date) as response_date
    from coupon_redemptions

)

select * from renamed

{{ config(enabled = 'completejourney' in var('sources')) }}

with products as (

    select * from {{ source('completejourney', 'products') }}

),

renamed as (

    select
        cast(product_id as {{ dbt.type_string() }}) as product_id,
        department,
        product_category as category,
        brand = 'Private' as is_private_label
    from products

)

select * from renamed

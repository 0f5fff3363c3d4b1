{{ config(enabled = 'files' in var('sources')) }}

with products as (

    select * from {{ source('files', 'products') }}

),

typed as (

    select
        product_id,
        department,
        category,
        coalesce(is_private_label, false) as is_private_label
    from products

)

select * from typed

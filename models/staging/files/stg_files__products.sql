{{ config(enabled = 'files' in var('sources')) }}

with products as (

    select * from {{ source('files', 'products') }}

),

typed as (

    select
        product_id,
        department,
        category,
        is_private_label
    from products

)

select * from typed

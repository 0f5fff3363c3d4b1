{{ config(enabled = 'files' in var('sources')) }}

with products as (

    select * from {{ source('files', 'products') }}

),

typed as (

    select
        try_cast(product_id as {{ dbt.type_string() }}) as product_id,
        try_cast(department as {{ dbt.type_string() }}) as department,
        try_cast(category as {{ dbt.type_string() }}) as category,
        coalesce(try_cast(is_private_label as boolean), false) as is_private_label
    from products

)

select * from typed

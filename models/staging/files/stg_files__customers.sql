{{ config(enabled = 'files' in var('sources')) }}

with customers as (

    select * from {{ source('files', 'customers') }}

),

typed as (

    select
        -- ids
        {{ customer_key('customer_id') }} as customer_id,

        -- dates
        try_cast(first_seen_date as date) as first_seen_date,
        try_cast(closed_date as date) as closed_date,

        -- attributes
        try_cast(customer_type as {{ dbt.type_string() }}) as customer_type,
        try_cast(age_band as {{ dbt.type_string() }}) as age_band,
        try_cast(income_band as {{ dbt.type_string() }}) as income_band,
        try_cast(household_size as {{ dbt.type_string() }}) as household_size,
        try_cast(household_composition as {{ dbt.type_string() }}) as household_composition,
        try_cast(home_ownership as {{ dbt.type_string() }}) as home_ownership,
        try_cast(marital_status as {{ dbt.type_string() }}) as marital_status,
        try_cast(kids_count as {{ dbt.type_string() }}) as kids_count
    from customers

)

select * from typed

{{ config(enabled = 'files' in var('sources')) }}

with customers as (

    select * from {{ source('files', 'customers') }}

),

typed as (

    select
        -- ids
        {{ customer_key('customer_id') }} as customer_id,

        -- dates
        first_seen_date,
        closed_date,

        -- attributes
        customer_type,
        age_band,
        income_band,
        household_size,
        household_composition,
        home_ownership,
        marital_status,
        kids_count
    from customers

)

select * from typed

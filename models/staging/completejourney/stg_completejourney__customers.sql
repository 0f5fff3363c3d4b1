{{ config(enabled = 'completejourney' in var('sources')) }}

with demographics as (

    select * from {{ source('completejourney', 'demographics') }}

),

transactions as (

    select * from {{ ref('stg_completejourney__transactions') }}

),

contacts as (

    select * from {{ ref('stg_completejourney__contacts') }}

),

-- The source has no list of customers: a household is known from its first
-- order or the first campaign that reached it.
sightings as (

    select
        customer_id,
        min(order_date) as seen_date
    from transactions
    group by customer_id
    union all
    select
        customer_id,
        min(contact_date) as seen_date
    from contacts
    group by customer_id

),

households as (

    select
        customer_id,
        min(seen_date) as first_seen_date
    from sightings
    group by customer_id

),

described as (

    select
        -- ids
        households.customer_id,

        -- dates
        households.first_seen_date,
        cast(null as date) as closed_date,

        -- attributes
        'household' as customer_type,
        demographics.age as age_band,
        demographics.income as income_band,
        demographics.household_size,
        demographics.household_comp as household_composition,
        demographics.home_ownership,
        demographics.marital_status,
        demographics.kids_count
    from households
    left join demographics
        on households.customer_id = demographics.household_id

)

select * from described

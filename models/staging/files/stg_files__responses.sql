{{ config(enabled = 'files' in var('sources')) }}

with responses as (

    select * from {{ source('files', 'responses') }}

),

typed as (

    select
        {{ customer_key('customer_id') }} as customer_id,
        try_cast(campaign_id as {{ dbt.type_string() }}) as campaign_id,
        try_cast(offer_id as {{ dbt.type_string() }}) as offer_id,
        try_cast(response_date as date) as response_date
    from responses

)

select * from typed

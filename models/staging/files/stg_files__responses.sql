{{ config(enabled = 'files' in var('sources')) }}

with responses as (

    select * from {{ source('files', 'responses') }}

),

typed as (

    select
        {{ customer_key('customer_id') }} as customer_id,
        campaign_id,
        offer_id,
        response_date
    from responses

)

select * from typed

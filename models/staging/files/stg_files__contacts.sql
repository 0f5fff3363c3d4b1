{{ config(enabled = 'files' in var('sources')) }}

with contacts as (

    select * from {{ source('files', 'contacts') }}

),

typed as (

    select
        {{ customer_key('customer_id') }} as customer_id,
        campaign_id,
        contact_date,
        channel
    from contacts

)

select * from typed

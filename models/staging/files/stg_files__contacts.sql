{{ config(enabled = 'files' in var('sources')) }}

with contacts as (

    select * from {{ source('files', 'contacts') }}

),

typed as (

    select
        {{ customer_key('customer_id') }} as customer_id,
        try_cast(campaign_id as {{ dbt.type_string() }}) as campaign_id,
        try_cast(contact_date as date) as contact_date,
        try_cast(channel as {{ dbt.type_string() }}) as channel
    from contacts

)

select * from typed

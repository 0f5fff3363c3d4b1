{{ config(enabled = 'completejourney' in var('sources')) }}

with campaign_descriptions as (

    select * from {{ source('completejourney', 'campaign_descriptions') }}

),

renamed as (

    select
        cast(campaign_id as {{ dbt.type_string() }}) as campaign_id,
        campaign_type,
        cast(start_date as date) as start_date,
        cast(end_date as date) as end_date
    from campaign_descriptions

)

select * from renamed

{{ config(enabled = 'files' in var('sources')) }}

with campaigns as (

    select * from {{ source('files', 'campaigns') }}

),

typed as (

    select
        try_cast(campaign_id as {{ dbt.type_string() }}) as campaign_id,
        try_cast(campaign_type as {{ dbt.type_string() }}) as campaign_type,
        try_cast(start_date as date) as start_date,
        try_cast(end_date as date) as end_date
    from campaigns

)

select * from typed

{{ config(enabled = 'files' in var('sources')) }}

with campaigns as (

    select * from {{ source('files', 'campaigns') }}

),

typed as (

    select
        campaign_id,
        campaign_type,
        start_date,
        end_date
    from campaigns

)

select * from typed

{{ config(enabled = 'completejourney' in var('sources')) }}

with campaigns as (

    select * from {{ source('completejourney', 'campaigns') }}

),

campaign_descriptions as (

    select * from {{ source('completejourney', 'campaign_descriptions') }}

),

-- The source says whom a campaign reached, not when: its first day stands for it.
dated as (

    select
        cast(campaigns.household_id as {{ var('customer_id_type') }}) as customer_id,
        cast(campaigns.campaign_id as {{ dbt.type_string() }}) as campaign_id,
        cast(campaign_descriptions.start_date as date) as contact_date,
        cast(null as {{ dbt.type_string() }}) as channel
    from campaigns
    inner join campaign_descriptions
        on campaigns.campaign_id = campaign_descriptions.campaign_id

)

select * from dated

with united as (
    {{ unite('campaigns', ['campaign_id', 'campaign_type', 'start_date', 'end_date']) }}

)

select * from united

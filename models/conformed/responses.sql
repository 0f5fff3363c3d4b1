with united as (
    {{ unite('responses', ['customer_id', 'campaign_id', 'offer_id', 'response_date']) }}

)

select * from united

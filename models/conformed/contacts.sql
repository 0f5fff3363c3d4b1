with united as (
    {{ unite('contacts', ['customer_id', 'campaign_id', 'contact_date', 'channel']) }}

)

select * from united

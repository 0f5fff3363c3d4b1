with united as (
    {{ unite('transactions', [
        'customer_id', 'order_id', 'product_id', 'ordered_at', 'order_date',
        'units', 'net_amount', 'discount_amount', 'coupon_amount', 'cost_amount',
    ]) }}

),

known_customers as (

    select distinct customer_id
    from {{ ref('customers') }}

),

checked as (

    select
        united.*,
        case
            when not {{ is_valid_key('united.customer_id') }} then 'invalid_customer_id'
            when coalesce(united.order_id, '') = '' then 'invalid_order_id'
            when united.ordered_at is null then 'invalid_ordered_at'
            when united.net_amount is null then 'invalid_net_amount'
            when known_customers.customer_id is null then 'unknown_customer'
        end as problem
    from united
    left join known_customers
        on united.customer_id = known_customers.customer_id

)

select * from checked

with united as (
    {{ unite('transactions', [
        'customer_id', 'order_id', 'product_id', 'ordered_at', 'order_date', 'is_return',
        'units', 'net_amount', 'discount_amount', 'coupon_amount', 'cost_amount',
    ]) }}

),

known_customers as (

    select distinct customer_id
    from {{ ref('customers') }}

),

cancelled_orders as (

    select distinct
        source_system,
        order_id
    from {{ ref('cancelled_orders') }}

),

-- The source says whether a line is a return, or else the sign of its amount or units does.
judged as (

    select
        united.source_system,
        united.customer_id,
        united.order_id,
        united.product_id,
        united.ordered_at,
        united.order_date,
        coalesce(united.is_return, united.net_amount < 0 or united.units < 0, false) as is_return,
        united.units,
        united.net_amount,
        united.discount_amount,
        united.coupon_amount,
        united.cost_amount,
        case
            when not {{ is_valid_key('united.customer_id') }} then 'invalid_customer_id'
            when coalesce(united.order_id, '') = '' then 'invalid_order_id'
            when united.ordered_at is null then 'invalid_ordered_at'
            when united.net_amount is null then 'invalid_net_amount'
            when known_customers.customer_id is null then 'unknown_customer'
            when cancelled_orders.order_id is not null then 'cancelled_order'
        end as problem
    from united
    left join known_customers
        on united.customer_id = known_customers.customer_id
    left join cancelled_orders
        on
            united.source_system = cancelled_orders.source_system
            and united.order_id = cancelled_orders.order_id

)

select * from judged

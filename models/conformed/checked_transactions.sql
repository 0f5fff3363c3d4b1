with delivered_transactions as (

    select * from {{ ref('delivered_transactions') }}

),

spread_orders as (

    select * from {{ ref('spread_orders') }}

),

-- An order with one day and one customer needs no lookup.
checked as (

    select
        delivered_transactions.source_system,
        delivered_transactions.customer_id,
        delivered_transactions.order_id,
        delivered_transactions.product_id,
        delivered_transactions.ordered_at,
        delivered_transactions.order_date,
        delivered_transactions.is_return,
        coalesce(
            delivered_transactions.order_date
            = case
                when delivered_transactions.is_return then spread_orders.return_date else spread_orders.sale_date
            end, true
        ) as is_first_day,
        delivered_transactions.units,
        delivered_transactions.net_amount,
        delivered_transactions.discount_amount,
        delivered_transactions.coupon_amount,
        delivered_transactions.cost_amount,
        case
            when delivered_transactions.problem is not null then delivered_transactions.problem
            when delivered_transactions.customer_id <> spread_orders.customer_id then 'order_of_another_customer'
        end as problem
    from delivered_transactions
    left join spread_orders
        on
            delivered_transactions.source_system = spread_orders.source_system
            and delivered_transactions.order_id = spread_orders.order_id

)

select * from checked

with checked_transactions as (

    select * from {{ ref('checked_transactions') }}

)

select
    source_system,
    customer_id,
    order_id,
    product_id,
    ordered_at,
    order_date,
    is_return,
    is_first_day,
    units,
    net_amount,
    discount_amount,
    coupon_amount,
    cost_amount
from checked_transactions
where problem is null

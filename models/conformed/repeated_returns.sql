{{ config(materialized='table', tags=['of_files']) }}

with spread_orders as (

    select * from {{ ref('spread_orders') }}
    where return_date is not null

),

return_days as (

    select distinct
        lines.source_system,
        lines.order_id,
        lines.customer_id,
        lines.order_date
    from {{ ref('delivered_transactions') }} as lines
    inner join spread_orders
        on
            lines.source_system = spread_orders.source_system
            and lines.order_id = spread_orders.order_id
            and lines.customer_id = spread_orders.customer_id
    where
        lines.problem is null
        and lines.is_return

),

numbered as (

    select
        *,
        lag(order_date) over (
            partition by source_system, order_id
            order by order_date
        ) as previous_date
    from return_days

)

select
    source_system,
    order_id,
    customer_id,
    order_date,
    previous_date
from numbered
where previous_date is not null

{{ config(materialized='table') }}

with lines as (

    select
        source_system,
        order_id,
        customer_id,
        ordered_at,
        order_date,
        is_return
    from {{ ref('delivered_transactions') }}
    where problem is null

),

-- One narrow pass over all lines. Numbers that several source systems use are told apart below.
candidates as (

    select order_id
    from lines
    group by order_id
    having
        min(order_date) <> max(order_date)
        or min(customer_id) <> max(customer_id)

),

customers_of_orders as (

    select
        lines.source_system,
        lines.order_id,
        lines.customer_id,
        min(lines.ordered_at) as first_at,
        min(case when not lines.is_return then lines.order_date end) as sale_date,
        min(case when lines.is_return then lines.order_date end) as return_date
    from lines
    inner join candidates
        on lines.order_id = candidates.order_id
    group by
        lines.source_system,
        lines.order_id,
        lines.customer_id

),

ranked as (

    select
        *,
        row_number() over (
            partition by source_system, order_id
            order by first_at, customer_id
        ) as place
    from customers_of_orders

)

select
    source_system,
    order_id,
    customer_id,
    sale_date,
    return_date
from ranked
where place = 1

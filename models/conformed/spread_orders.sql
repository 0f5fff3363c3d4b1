{{ config(materialized='table', tags=['of_files']) }}

-- One narrow pass over all lines; the second, below, ends at once where there are no candidates. They share no common
-- expression, which the engine would keep whole. Numbers that several source systems use are told apart below, too.
with candidates as (

    select order_id
    from {{ ref('delivered_transactions') }}
    where problem is null
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
    from {{ ref('delivered_transactions') }} as lines
    inner join candidates
        on lines.order_id = candidates.order_id
    where lines.problem is null
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

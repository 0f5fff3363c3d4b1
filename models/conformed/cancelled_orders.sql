{{ config(materialized='table', tags=['of_files']) }}

with united as (
    {{ unite('transactions', ['customer_id', 'order_id', 'order_status']) }}

)

-- Some shops write the status on an order's first line alone.
select distinct
    source_system,
    order_id,
    customer_id
from united
where
    order_id <> ''
    and lower(trim(order_status)) in {{ sql_texts(cancelled_order_statuses()) }}

{{ config(materialized='table') }}

with checked_transactions as (

    select * from {{ ref('checked_transactions') }}
    {%- if var('late_days') is not none %}
    where
        ordered_at >= {{ late_rows_from() }}
        or ordered_at is null
    {%- endif %}

),

products as (

    select * from {{ ref('products') }}

),

lines as (

    select
        transactions.source_system,
        transactions.order_date,
        transactions.problem,
        transactions.ordered_at,
        {{ line_fingerprint() }} as fingerprint,
        case
            -- A cancelled order is no mistake.
            when transactions.problem <> 'cancelled_order'
                then
                    transactions.problem || ': order ' || coalesce(transactions.order_id, '(none)')
                    || ', customer ' || coalesce(cast(transactions.customer_id as {{ dbt.type_string() }}), '(none)')
                    || ', source ' || transactions.source_system
        end as example
    from checked_transactions as transactions
    left join products
        on transactions.product_id = products.product_id

)

select
    source_system,
    order_date,
    problem,
    count(*) as lines,
    sum(fingerprint) as fingerprint,
    max(ordered_at) as newest_at,
    min(example) as example
from lines
group by
    source_system,
    order_date,
    problem

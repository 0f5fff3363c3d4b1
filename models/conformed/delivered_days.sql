{#- With late_days it is about the run's days. -#}
{{ config(materialized='table', tags=['of_files'] if var('late_days') is none else []) }}

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
        {{ line_fingerprint() }} as fingerprint
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
    max(ordered_at) as newest_at
from lines
group by
    source_system,
    order_date,
    problem

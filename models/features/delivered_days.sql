{{ config(materialized='table') }}

with lines as (

    select
        transactions.order_date as activity_date,
        {{ line_fingerprint() }} as fingerprint
    from {{ ref('transactions') }} as transactions
    left join {{ ref('products') }} as products
        on transactions.product_id = products.product_id

)

select
    activity_date,
    sum(fingerprint) as fingerprint
from lines
group by activity_date

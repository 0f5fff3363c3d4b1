with checked_transactions as (

    select * from {{ ref('checked_transactions') }}

)

select
    source_system,
    max(ordered_at) as newest_at,
    {{ days_between('max(order_date)', last_date()) }} as days_behind
from checked_transactions
group by source_system

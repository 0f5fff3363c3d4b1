with delivered_days as (

    select * from {{ ref('delivered_days') }}

)

select
    source_system,
    max(newest_at) as newest_at,
    {{ days_between('max(order_date)', last_date()) }} as days_behind
from delivered_days
group by source_system

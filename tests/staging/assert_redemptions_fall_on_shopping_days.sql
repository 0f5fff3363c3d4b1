-- Why timestamps are read as UTC of a US Eastern business day: so, every one of the demo's 2,102 redemptions lies on a
-- day on which the household shopped (as they stand, 1,869 do), and 534 lines stamped 2018-01-01 belong to 2017.
{{ config(enabled = 'completejourney' in var('sources'), tags = ['of_files']) }}

select responses.*
from {{ ref('stg_completejourney__responses') }} as responses
left join {{ ref('stg_completejourney__transactions') }} as transactions
    on
        responses.customer_id = transactions.customer_id
        and responses.response_date = transactions.order_date
where transactions.customer_id is null
union all
select responses.*
from {{ ref('stg_completejourney__responses') }} as responses
inner join {{ ref('stg_completejourney__transactions') }} as transactions
    on responses.customer_id = transactions.customer_id
where transactions.order_date > cast('2017-12-31' as date)

{%- set problems = [
    'invalid_customer_id', 'invalid_order_id', 'invalid_ordered_at', 'invalid_net_amount', 'unknown_customer',
] %}

with delivered_days as (

    select * from {{ ref('delivered_days') }}
    where
        order_date between {{ first_date() }} and {{ last_date() }}
        or order_date is null

)

select
    {%- for problem in problems %}
    cast(coalesce(sum(case when problem = '{{ problem }}' then lines end), 0) as bigint) as {{ problem }},
    {%- endfor %}
    coalesce(cast(sum(case when problem = 'unknown_customer' then lines end) as double), 0)
    / nullif(cast(sum(lines) as double), 0) as unknown_customer_share,
    min(example) as example
from delivered_days

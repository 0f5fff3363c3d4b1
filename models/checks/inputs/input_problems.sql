{#- Orders that are ahead of the customer feed are new. The lines of customers who were merged, erased or dropped from
    the feed stay behind in the past: they are counted, but must not stop whoever builds their days again for ever. -#}
{%- set is_new = 'order_date > ' ~ last_date(-7) %}
{%- set problems = [
    'invalid_customer_id', 'invalid_order_id', 'invalid_ordered_at', 'invalid_net_amount', 'unknown_customer',
    'order_of_another_customer', 'cancelled_order',
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
    coalesce(cast(sum(case when problem = 'unknown_customer' and {{ is_new }} then lines end) as double), 0)
    / nullif(cast(sum(case when {{ is_new }} then lines end) as double), 0) as unknown_customer_share,
    coalesce(cast(sum(case when problem = 'order_of_another_customer' then lines end) as double), 0)
    / nullif(cast(sum(lines) as double), 0) as order_of_another_customer_share
from delivered_days

{%- set problems = [
    'invalid_customer_id', 'invalid_order_id', 'invalid_ordered_at', 'invalid_net_amount', 'unknown_customer',
] %}

with checked_transactions as (

    select * from {{ ref('checked_transactions') }}
    where
        order_date between {{ first_date() }} and {{ last_date() }}
        or order_date is null

)

select
    {%- for problem in problems %}
    count(case when problem = '{{ problem }}' then 1 end) as {{ problem }},
    {%- endfor %}
    count(case when problem = 'unknown_customer' then 1 end)
    / nullif(cast(count(*) as double), 0) as unknown_customer_share,
    min(
        case
            when problem is not null
                then
                    problem || ': order ' || coalesce(order_id, '(none)')
                    || ', customer ' || coalesce(cast(customer_id as {{ dbt.type_string() }}), '(none)')
                    || ', source ' || source_system
        end
    ) as example
from checked_transactions

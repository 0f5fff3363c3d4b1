{#- The published days, as published and as delivered now. -#}
{%- set kept_days = kept('customer_days', 'features') %}
-- depends_on: {{ ref('customers') }}

with delivered_days as (

    select
        order_date,
        sum(lines) as lines
    from {{ ref('delivered_days') }}
    where
        problem is null
        and order_date < {{ first_date() }}
    group by order_date

),

kept_days as (

    {% if kept_days -%}
    select
        activity_date,
        sum(lines) as lines
    from {{ kept_days }}
    where
        activity_date >= {{ late_rows_from() }}
        and activity_date < {{ first_date() }}
        -- Customers who are gone took their lines with them; another check covers that.
        and customer_id in (select customers.customer_id from {{ ref('customers') }} as customers)
    group by activity_date
    {%- else -%}
    select
        order_date as activity_date,
        lines
    from delivered_days
    where false
    {%- endif %}

),

compared as (

    select
        coalesce(sum(cast(kept_days.lines as double)), 0) as kept_lines,
        coalesce(sum(cast(coalesce(delivered_days.lines, 0) as double)), 0) as delivered_lines
    from kept_days
    left join delivered_days
        on kept_days.activity_date = delivered_days.order_date

)

select
    cast(kept_lines as bigint) as kept_lines,
    cast(delivered_lines as bigint) as delivered_lines,
    abs(delivered_lines - kept_lines) as changed_lines,
    coalesce(delivered_lines / nullif(kept_lines, 0), 1) as kept_ratio
from compared

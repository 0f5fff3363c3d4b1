{#- A select: who bought in which category in the 365 days up to the run's last day, and
    for how many cents. Returns alone are no purchase. -#}
{% macro category_buyers() -%}
    select
        customer_id,
        category,
        sum(net_cents) as net_cents
    from {{ ref('customer_category_days') }}
    where
        category is not null
        and activity_date > {{ last_date(-365) }}
        and activity_date <= {{ last_date() }}
    group by
        customer_id,
        category
    having sum(net_cents) > 0
{%- endmacro %}

{#- A select: who bought in which category in the 365 days up to the run's last day, and
    for how much (exact, less returns). Who brought all of it back has not bought it; categories
    that nobody is offered (vars: cross_sell_excluded_categories) are left out. -#}
{% macro category_buyers() -%}
    select
        customer_id,
        category,
        sum(net_exact) as net_exact
    from {{ ref('customer_category_days') }}
    where
        category is not null
        {%- for category in var('cross_sell_excluded_categories') %}
        and category <> {{ sql_text(category) }}
        {%- endfor %}
        and activity_date > {{ last_date(-365) }}
        and activity_date <= {{ last_date() }}
    group by
        customer_id,
        category
    having sum(net_exact) > 0
{%- endmacro %}

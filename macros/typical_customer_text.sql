{#- A customer in words, over customer_features: `Known for 360 days, last order 2 days
    ago, 9 orders in 30 days, ...; household size 2`, from standard features and some
    attributes, {name: SQL}. What is missing is left out. -#}
{% macro typical_customer_text(attributes) -%}
    {%- set text = dbt.type_string() -%}
    'Known for ' || {{ counted('tenure_days', 'day') }}
    || case
        when customer_features.orders_lifetime = 0 then ', never ordered'
        else ', last order ' || {{ counted('days_since_last_order', 'day') }} || ' ago'
    end
    || case
        when customer_features.orders_365d > 0
            then
                ', ' || {{ counted('orders_30d', 'order') }} || ' in 30 days and '
                || cast(customer_features.orders_365d as {{ text }}) || ' in 365 for '
                || cast(cast(customer_features.net_sales_365d as decimal(18, 2)) as {{ text }}) || ', '
                || cast(cast(customer_features.average_order_value_365d as decimal(18, 2)) as {{ text }}) || ' each'
        else ''
    end
    || coalesce(', ' || {{ percent_text('discount_share_365d') }} || ' off', '')
    || coalesce(', most on ' || customer_features.top_category_365d, '')
    {%- for attribute, value in attributes.items() if attribute != 'top_category_365d' %}
    || coalesce('; {{ attribute | replace('_', ' ') }} ' || {{ value }}, '')
    {%- endfor %}
{%- endmacro %}

{% macro counted(feature, noun) -%}
    cast(customer_features.{{ feature }} as {{ dbt.type_string() }})
        || case when customer_features.{{ feature }} = 1 then ' {{ noun }}' else ' {{ noun }}s' end
{%- endmacro %}

{% macro percent_text(feature) -%}
    cast(cast(round(100 * customer_features.{{ feature }}) as bigint) as {{ dbt.type_string() }}) || ' %'
{%- endmacro %}

{#- A customer in words, over customer_features: `Known for 360 days, last order 2 days
    ago, 9 orders in 30 days, ...; household size 2`, from standard features and some
    attributes, {name: SQL}, in that order. What is missing is left out, and so is an attribute that
    with those before it fewer than vars: typical_customer_alike customers of all have
    (sharing.<attribute>_customers): it would tell who this is. Money is told to two
    figures for the same reason. -#}
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
                || cast(customer_features.orders_365d as {{ text }}) || ' in 365 for about '
                || {{ two_figures('customer_features.net_sales_365d') }} || ', '
                || {{ two_figures('customer_features.average_order_value_365d') }} || ' each'
        else ''
    end
    || coalesce(', ' || {{ percent_text('discount_share_365d') }} || ' off', '')
    {%- for attribute, value in attributes.items() %}
    || case
        when sharing.{{ attribute }}_customers >= {{ var('typical_customer_alike') }}
            {%- if attribute == 'top_category_365d' %}
            then coalesce(', most on ' || {{ value }}, '')
            {%- else %}
            then coalesce('; {{ attribute | replace('_', ' ') }} ' || {{ value }}, '')
            {%- endif %}
        else ''
    end
    {%- endfor %}
{%- endmacro %}

{% macro counted(feature, noun) -%}
    cast(customer_features.{{ feature }} as {{ dbt.type_string() }})
        || case when customer_features.{{ feature }} = 1 then ' {{ noun }}' else ' {{ noun }}s' end
{%- endmacro %}

{% macro percent_text(feature) -%}
    cast(cast(round(100 * customer_features.{{ feature }}) as bigint) as {{ dbt.type_string() }}) || ' %'
{%- endmacro %}

{#- A number as text, rounded to two figures, and to a whole number. -#}
{% macro two_figures(value) -%}
    {%- set number = 'cast(' ~ value ~ ' as double)' -%}
    {%- set unit = 'power(10, greatest(floor(log10(greatest(abs(' ~ number ~ '), 1))) - 1, 0))' -%}
    cast(cast(round({{ number }} / {{ unit }}) * {{ unit }} as bigint) as {{ dbt.type_string() }})
{%- endmacro %}

{#- What the features rest on that a source need not deliver: columns of first_deliveries,
    without `_on`. -#}
{% macro optional_facts() -%}
    {{ return(['discounts', 'coupons', 'private_labels', 'categories', 'contacts', 'responses']) }}
{%- endmacro %}

{#- A value that is 0 where there is none, and null on days before the fact it rests on was
    first delivered. Reads turns and first_deliveries. -#}
{% macro once_delivered(fact, value) -%}
    case when first_deliveries.{{ fact }}_on <= turns.turned_on then coalesce({{ value }}, 0) end
{%- endmacro %}

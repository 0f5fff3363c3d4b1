{#- The optional data that features need: columns of first_deliveries, without `_on`. -#}
{% macro optional_facts() -%}
    {{ return(['discounts', 'coupons', 'private_labels', 'categories', 'contacts', 'responses']) }}
{%- endmacro %}

{#- A value, 0 if there is none, and null on days before the fact it needs was first
    delivered. Reads turns and first_deliveries. -#}
{% macro once_delivered(fact, value) -%}
    case when first_deliveries.{{ fact }}_on <= turns.turned_on then coalesce({{ value }}, 0) end
{%- endmacro %}

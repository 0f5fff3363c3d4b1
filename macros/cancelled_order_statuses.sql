{#- The values of order_status that cancel an order (vars: cancelled_order_statuses), in lower case. -#}
{% macro cancelled_order_statuses() -%}
    {{ return(var('cancelled_order_statuses') | map('lower') | map('trim') | list) }}
{%- endmacro %}

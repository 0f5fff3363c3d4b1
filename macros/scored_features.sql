{#- The score of each kind and the feature it ranks: higher is better. -#}
{% macro scored_features() -%}
    {{ return({'recency': 'recency', 'frequency': 'orders_365d', 'monetary': 'net_sales_365d'}) }}
{%- endmacro %}

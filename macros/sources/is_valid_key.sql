{#- Whether a customer key is there and, where keys are numbers, not negative. -#}
{% macro is_valid_key(column) -%}
    {%- if var('customer_id_type') == 'bigint' -%}
        coalesce({{ column }} >= 0, false)
    {%- else -%}
        coalesce({{ column }} <> '', false)
    {%- endif -%}
{%- endmacro %}

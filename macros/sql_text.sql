{#- A text (or none) as a SQL expression. -#}
{% macro sql_text(value) -%}
    {%- if value is none or value is undefined -%}
        cast(null as {{ dbt.type_string() }})
    {%- else -%}
        cast({{ quoted_text(value) }} as {{ dbt.type_string() }})
    {%- endif -%}
{%- endmacro %}

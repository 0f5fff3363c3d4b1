{#- A date as SQL, moved by a number of days. -#}
{% macro date_literal(date, days=0) -%}
    cast('{{ date + modules.datetime.timedelta(days=days) }}' as date)
{%- endmacro %}

{#- A date expression moved by a number of days, as a date on every engine. -#}
{% macro add_days(expression, days) -%}
    cast({{ dbt.dateadd('day', days, expression) }} as date)
{%- endmacro %}

{#- A select with one row per day from a first one up to the day before another, both given as SQL: date_day. -#}
{% macro day_spine(first, end) -%}
    {{ return(adapter.dispatch('day_spine', 'tessera')(first, end)) }}
{%- endmacro %}

{% macro default__day_spine(first, end) -%}
    select explode(sequence({{ first }}, date_sub({{ end }}, 1), interval 1 day)) as date_day
{%- endmacro %}

{% macro duckdb__day_spine(first, end) -%}
    {{ dbt.date_spine('day', first, end) }}
{%- endmacro %}

{#- A date moved by a number of days, as a date. -#}
{% macro add_days(date, days) -%}
    {{ return(adapter.dispatch('add_days', 'tessera')(date, days)) }}
{%- endmacro %}

{% macro default__add_days(date, days) -%}
    date_add({{ date }}, cast({{ days }} as int))
{%- endmacro %}

{% macro duckdb__add_days(date, days) -%}
    ({{ date }} + ({{ days }}))
{%- endmacro %}

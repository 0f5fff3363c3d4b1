{#- A date moved by a number of months, as a date; the last day of the month where it has no such day. -#}
{% macro add_months(date, months) -%}
    {{ return(adapter.dispatch('add_months', 'tessera')(date, months)) }}
{%- endmacro %}

{% macro default__add_months(date, months) -%}
    add_months({{ date }}, {{ months }})
{%- endmacro %}

{% macro duckdb__add_months(date, months) -%}
    cast({{ date }} + interval ({{ months }}) month as date)
{%- endmacro %}

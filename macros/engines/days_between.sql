{#- Whole days from one date to another, negative where the second is earlier. -#}
{% macro days_between(first, second) -%}
    {{ return(adapter.dispatch('days_between', 'tessera')(first, second)) }}
{%- endmacro %}

{% macro default__days_between(first, second) -%}
    cast(datediff({{ second }}, {{ first }}) as bigint)
{%- endmacro %}

{% macro duckdb__days_between(first, second) -%}
    ({{ second }} - {{ first }})
{%- endmacro %}

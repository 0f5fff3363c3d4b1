{#- The lower quartile, median and upper quartile of a group as one list, between
    values where they fall between two; quartile(list, 1) is the lower. One
    aggregate keeps one copy of the values: three keep three. -#}
{% macro quartiles(value) -%}
    {{ return(adapter.dispatch('quartiles', 'tessera')(value)) }}
{%- endmacro %}

{% macro default__quartiles(value) -%}
    percentile({{ value }}, array(0.25, 0.5, 0.75))
{%- endmacro %}

{% macro duckdb__quartiles(value) -%}
    quantile_cont({{ value }}, [0.25, 0.5, 0.75])
{%- endmacro %}

{#- One of the three of such a list. -#}
{% macro quartile(list, number) -%}
    {{ return(adapter.dispatch('quartile', 'tessera')(list, number)) }}
{%- endmacro %}

{% macro default__quartile(list, number) -%}
    {{ list }}[{{ number - 1 }}]
{%- endmacro %}

{% macro duckdb__quartile(list, number) -%}
    {{ list }}[{{ number }}]
{%- endmacro %}

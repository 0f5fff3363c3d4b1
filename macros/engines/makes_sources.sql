{#- Whether dbt makes what the models read, before they do: DuckDB reads the files of the sources itself, and the tables that
    flows write lie beside the models. Other engines have tables of both. -#}
{% macro makes_sources() -%}
    {{ return(adapter.dispatch('makes_sources', 'tessera')()) }}
{%- endmacro %}

{% macro default__makes_sources() -%}
    {{ return(false) }}
{%- endmacro %}

{% macro duckdb__makes_sources() -%}
    {{ return(true) }}
{%- endmacro %}

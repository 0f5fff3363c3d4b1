{#- A 64-bit hash over columns: rows that are equal in all of them share it; among billions of
    different rows hardly two do. -#}
{% macro row_hash(columns) -%}
    {{ return(adapter.dispatch('row_hash', 'tessera')(columns)) }}
{%- endmacro %}

{% macro default__row_hash(columns) -%}
    xxhash64({{ columns | join(', ') }})
{%- endmacro %}

{% macro duckdb__row_hash(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro %}

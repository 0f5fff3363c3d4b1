{#- A hash of 64 bits over columns: rows that are equal in all of them have the same one, and
    of some billions of others hardly two. -#}
{% macro row_hash(columns) -%}
    {{ return(adapter.dispatch('row_hash', 'tessera')(columns)) }}
{%- endmacro %}

{% macro default__row_hash(columns) -%}
    xxhash64({{ columns | join(', ') }})
{%- endmacro %}

{% macro duckdb__row_hash(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro %}

{#- The tables in the warehouse, without views, as a list of texts like 'marts.dim_customers'. -#}
{% macro built_tables() -%}
    {{ return(run_query(adapter.dispatch('select_tables', 'tessera')()).rows | map('first') | list) }}
{%- endmacro %}

{% macro default__select_tables() -%}
    select table_schema || '.' || table_name
    from information_schema.tables
    where
        table_type = 'BASE TABLE'
        and table_catalog = '{{ target.database }}'
{%- endmacro %}

{% macro duckdb__select_tables() -%}
    select schema_name || '.' || table_name
    from duckdb_tables()
    where
        not internal
        and database_name = current_database()
{%- endmacro %}

{#- The tables in the warehouse, without views, as a list of texts like 'marts.dim_customers'. -#}
{% macro built_tables() -%}
    {%- set tables -%}
        select schema_name || '.' || table_name
        from duckdb_tables()
        where
            not internal
            and database_name = current_database()
    {%- endset -%}
    {{ return(run_query(tables).rows | map('first') | list) }}
{%- endmacro %}

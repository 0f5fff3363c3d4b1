{#- Makes the tables that the flows write to where they are missing, and the columns
    that tables of an earlier version lack. -#}
{% macro attach_operations() %}
    {%- if execute -%}
        {%- for table in graph.sources.values() | selectattr('source_name', 'equalto', 'operations') -%}
            {%- set relation = table.schema ~ '.' ~ table.identifier -%}
            {%- set columns = [] -%}
            {%- for column in table.columns.values() -%}
                {%- do columns.append(column.name ~ ' ' ~ column.data_type) -%}
            {%- endfor -%}
            {%- do run_query('create schema if not exists ' ~ table.schema) -%}
            {%- do run_query('create table if not exists ' ~ relation ~ ' (' ~ (columns | join(', ')) ~ ')') -%}
            {%- for column in columns -%}
                {%- do run_query('alter table ' ~ relation ~ ' add column if not exists ' ~ column) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{#- Makes the tables that the flows write to where they are missing, and the columns
    that tables of an earlier version lack. -#}
{% macro attach_operations() %}
    {%- if execute and makes_sources() -%}
        {%- set built = built_tables() -%}
        {%- for table in graph.sources.values() | selectattr('source_name', 'equalto', 'operations') -%}
            {%- set relation = table.schema ~ '.' ~ table.identifier -%}
            {%- set columns = [] -%}
            {%- for column in table.columns.values() -%}
                {%- do columns.append(column.name ~ ' ' ~ column.data_type) -%}
            {%- endfor -%}
            {%- if relation not in built -%}
                {%- do run_query('create schema if not exists ' ~ table.schema) -%}
                {%- do run_query('create table if not exists ' ~ relation ~ ' (' ~ (columns | join(', ')) ~ ')') -%}
            {%- else -%}
                {%- set there = columns_of_query('select * from ' ~ relation) | map(attribute='name') | list -%}
                {%- for column in table.columns.values() if column.name not in there -%}
                    {%- do run_query('alter table ' ~ relation ~ ' add column if not exists ' ~ column.name ~ ' ' ~ column.data_type) -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if not env_var('TESSERA_RUN_ID', '') -%}
            {#- Whoever builds by hand may build something else: a run leaves nothing as it is then. #}
            {%- do run_query('delete from operations.built') -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

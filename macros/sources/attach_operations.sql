{#- Makes the empty tables that the flows write to, where they are missing. -#}
{% macro attach_operations() %}
    {%- if execute -%}
        {%- for table in graph.sources.values() | selectattr('source_name', 'equalto', 'operations') -%}
            {%- set columns = [] -%}
            {%- for column in table.columns.values() -%}
                {%- do columns.append(column.name ~ ' ' ~ column.data_type) -%}
            {%- endfor -%}
            {%- do run_query('create schema if not exists ' ~ table.schema) -%}
            {%- do run_query('create table if not exists ' ~ table.schema ~ '.' ~ table.identifier ~ ' (' ~ (columns | join(', ')) ~ ')') -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

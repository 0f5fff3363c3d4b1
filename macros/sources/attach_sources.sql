{#- Makes every enabled source system readable as raw_<system>.<table>, one view
    per table of its sources YAML, and holds the files to the contract there. -#}
{% macro attach_sources() %}
    {%- if execute and makes_sources() and flags.WHICH in ['build', 'run', 'test', 'seed', 'run-operation', 'compile'] -%}
        {%- set problems = [] -%}
        {%- for system in var('sources') -%}
            {%- set tables = graph.sources.values() | selectattr('source_name', 'equalto', system) | list -%}
            {%- if not tables -%}
                {{ exceptions.raise_compiler_error(
                    "vars: sources names '" ~ system ~ "', which is no source system of this project. "
                    ~ "There are: " ~ (graph.sources.values() | map(attribute='source_name') | reject('equalto', 'operations') | unique | sort | join(', ')) ~ ".") }}
            {%- endif -%}
            {%- do run_query('create schema if not exists ' ~ tables[0].schema) -%}
            {%- for table in tables | sort(attribute='name') -%}
                {%- set statement = attached_view(table, var(system ~ '_folder'), problems) -%}
                {%- if not problems -%}
                    {%- do run_query(statement) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- if problems -%}
            {{ exceptions.raise_compiler_error(problems | join('\n')) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

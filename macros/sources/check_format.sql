{#- Stops dbt before any table is touched if another version of the project wrote the
    warehouse, and records the format in an empty one. The flows do the same, and know
    the steps from one format to the next: flows/steps/warehouse_format.py. -#}
{% macro check_format() %}
    {%- if execute and makes_sources() -%}
        {%- set formats = graph.sources.values() | selectattr('source_name', 'equalto', 'operations') | selectattr('identifier', 'equalto', 'format') | list -%}
        {%- set stamp, wanted = formats[0].schema ~ '.' ~ formats[0].identifier, formats[0].config.meta.version -%}
        {%- set built = built_tables() -%}
        {%- set known = namespace(version=none) -%}
        {%- for table in built if not table.startswith(formats[0].schema ~ '.') -%}
            {%- set known.version = 1 if known.version is none else known.version -%}
        {%- endfor -%}
        {%- if stamp in built -%}
            {%- set known.version = run_query('select max(version) from ' ~ stamp).rows[0][0] or known.version -%}
        {%- endif -%}
        {%- if known.version is none -%}
            {%- do run_query('create schema if not exists ' ~ formats[0].schema) -%}
            {%- do run_query('create table if not exists ' ~ stamp ~ ' (version bigint, made_by varchar)') -%}
            {%- do run_query('insert into ' ~ stamp ~ " values (" ~ wanted ~ ", 'dbt " ~ dbt_version ~ "')") -%}
        {%- elif known.version != wanted -%}
            {{ exceptions.raise_compiler_error('The warehouse has format ' ~ known.version ~ ', and this version of the project writes ' ~ wanted ~ '. `make run` migrates it or says what to do.') }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

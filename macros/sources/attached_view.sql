{#- The statement that creates the view of one source table over its file.
    Required files and columns must be there; optional ones may be missing and
    read as null. -#}
{% macro attached_view(table, folder) %}
    {%- set where = "source '" ~ table.source_name ~ "', table '" ~ table.name ~ "'" -%}
    {%- set required_table = table.config.meta.get('required', false) -%}
    {%- set path = folder ~ '/' ~ table.name -%}
    {%- set found = run_query("select file from glob('" ~ (path | replace("'", "''")) ~ ".*') where file like '%.parquet' or file like '%.csv' order by file").columns[0].values() -%}
    {%- if found | length > 1 -%}
        {{ exceptions.raise_compiler_error(where ~ ': more than one file: ' ~ (found | join(', ')) ~ '. Keep one of them.') }}
    {%- endif -%}
    {%- if not found and required_table -%}
        {{ exceptions.raise_compiler_error(where ~ ': there is no file ' ~ path ~ '.parquet or ' ~ path ~ '.csv, and this table is required. '
            ~ 'Deliver it, or set vars: ' ~ table.source_name ~ '_folder to the folder that holds it.') }}
    {%- endif -%}

    {%- set file = "'" ~ (found | first | default('') | replace("'", "''")) ~ "'" -%}
    {%- if found and found[0].endswith('.csv') -%}
        {#- Everything is read as text: staging casts, and counts what does not fit. -#}
        {%- set reader = "read_csv(" ~ file ~ ", header = true, delim = ',', quote = '\"', all_varchar = true, nullstr = '')" -%}
    {%- elif found -%}
        {%- set reader = "read_parquet(" ~ file ~ ")" -%}
    {%- endif -%}
    {%- set delivered = {} -%}
    {%- if found -%}
        {%- for column in run_query('describe select * from ' ~ reader).rows -%}
            {%- do delivered.update({column[0] | lower: column[1]}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set zone = table.config.meta.get('timezone', var('timezone')) -%}

    {%- set expressions = [] -%}
    {%- for column in table.columns.values() -%}
        {%- if column.name in delivered and column.data_type in ['timestamp', 'date'] -%}
            {%- do expressions.append(wall_clock(column.name, delivered[column.name], zone) ~ ' as ' ~ column.name) -%}
        {%- elif column.name in delivered -%}
            {%- do expressions.append(column.name) -%}
        {%- elif found and column.config.meta.get('required', false) -%}
            {{ exceptions.raise_compiler_error(where ~ ': ' ~ found[0] ~ " has no column '" ~ column.name ~ "', which is required. "
                ~ 'It has: ' ~ (delivered | join(', ')) ~ '.') }}
        {%- else -%}
            {%- do expressions.append('cast(null as ' ~ column.data_type ~ ') as ' ~ column.name) -%}
        {%- endif -%}
    {%- endfor %}
    create or replace view {{ table.schema }}.{{ table.identifier }} as
    select {{ expressions | join(', ') }}
    {% if found %}from {{ reader }}{% else %}where false{% endif %}
{% endmacro %}

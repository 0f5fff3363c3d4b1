{{ config(tags=['of_files']) }}
{#- Tables and columns are those of the sources' YAML, which dbt knows once it executes. Each table is read once. -#}
{%- set tables = [] %}
{%- if execute %}
{%- for table in graph.sources.values() | sort(attribute='unique_id') if table.source_name in var('sources') %}
{%- do tables.append(table) %}
{%- endfor %}
{%- endif %}

with
{%- for table in tables %}
{{ table.source_name }}__{{ table.name }} as (

    select
        {%- for column in table.columns.values() if column.data_type != 'varchar' %}
        {%- set delivered = column.name ~ '__as_delivered' %}
        count({{ column.name }}) as {{ column.name }}__readable,
        count(case when {{ column.name }} is null then {{ delivered }} end) as {{ column.name }}__unreadable,
        min(case when {{ column.name }} is null then {{ shape(delivered) }} end) as {{ column.name }}__example,
        {%- endfor %}
        count(*) as rows_read
    from {{ table.schema }}.{{ table.identifier }}

),
{% endfor %}

counted as (

    {%- for table in tables %}
    {%- for column in [none] + (table.columns.values() | rejectattr('data_type', 'equalto', 'varchar') | list) %}
    select
        '{{ table.source_name }}' as source_system,
        '{{ table.name }}' as table_name,
        {{ sql_text(column.name if column else none) }} as column_name,
        rows_read,
        {{ column.name ~ '__readable' if column else 'rows_read' }} as readable,
        {{ column.name ~ '__unreadable' if column else 0 }} as unreadable,
        {{ column.name ~ '__example' if column else sql_text(none) }} as example
    from {{ table.source_name }}__{{ table.name }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        {{ sql_text(none) }} as source_system,
        {{ sql_text(none) }} as table_name,
        {{ sql_text(none) }} as column_name,
        0 as rows_read,
        0 as readable,
        0 as unreadable,
        {{ sql_text(none) }} as example
    where 1 = 0
    {%- endfor %}

)

select
    source_system,
    table_name,
    column_name,
    cast(rows_read as bigint) as rows_read,
    cast(readable + unreadable as bigint) as given_values,
    cast(unreadable as bigint) as unreadable_values,
    cast(unreadable as double) / nullif(readable + unreadable, 0) as unreadable_share,
    example
from counted

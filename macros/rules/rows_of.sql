{#- A select of literal rows, [{column: SQL expression}], or of no row with the
    same columns where there are none. -#}
{% macro rows_of(rows, columns) -%}
    {%- for row in rows %}
    select
        {%- for column in columns %}
        {{ row[column] }} as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        {%- for column in columns %}
        cast(null as {{ dbt.type_string() }}) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    where false
    {%- endfor %}
{%- endmacro %}

{#- The columns of a query as a list of {name, data_type}; the query is not run. -#}
{% macro columns_of_query(sql) -%}
    {%- set columns = [] -%}
    {%- for row in run_query('describe ' ~ sql).rows -%}
        {%- do columns.append({'name': row[0], 'data_type': row[1]}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}

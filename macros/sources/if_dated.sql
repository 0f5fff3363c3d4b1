{#- A column of a transaction if the line has a possible date, else null: systems write 1970, 1900 or the year 1 for none.
    Such a line is one whose date cannot be read. -#}
{% macro if_dated(column) -%}
    case when ordered_at >= cast('{{ var('earliest_order_date') }}' as date) then {{ column }} end as {{ column }}
{%- endmacro %}

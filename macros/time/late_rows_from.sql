{#- The first day on which a run looks for late rows, as SQL: vars: late_days before its
    own first day, or the beginning of all days where that is not set. -#}
{% macro late_rows_from() -%}
    {%- if var('late_days') is none -%}
        cast('0001-01-01' as date)
    {%- else -%}
        {#- Volumes are compared with those of the 56 days before. -#}
        {{ first_date(-([var('late_days') | int, 56] | max)) }}
    {%- endif -%}
{%- endmacro %}

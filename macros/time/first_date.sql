{#- The run's first day as SQL, moved by a number of days. -#}
{% macro first_date(days=0) -%}
    {{ date_literal(run_window().first, days) }}
{%- endmacro %}

{#- The run's last day as SQL, moved by a number of days. -#}
{% macro last_date(days=0) -%}
    {{ date_literal(run_window().last, days) }}
{%- endmacro %}

{#- The last day up to the run's last day on which profiles are due, as SQL: every vars:
    profiles_every_days days, counted from a Monday. flows/steps/due.py knows it too. -#}
{% macro weekly_day() -%}
    {%- set last = run_window().last -%}
    {%- set days = (last - modules.datetime.date(2001, 1, 1)).days -%}
    {{ date_literal(last, -(days % var('profiles_every_days'))) }}
{%- endmacro %}

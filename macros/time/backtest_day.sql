{#- The last end of a month up to the run's last day, as SQL, moved by a number of days:
    the day of what is computed monthly. -#}
{% macro backtest_day(days=0) -%}
    {%- set next = run_window().last + modules.datetime.timedelta(days=1) -%}
    {{ date_literal(next.replace(day=1), days - 1) }}
{%- endmacro %}

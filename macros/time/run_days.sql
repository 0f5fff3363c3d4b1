{#- A select with one row per day of the run's window: as_of_date. -#}
{% macro run_days() -%}
    {%- if run_window().days == 1 -%}
    select {{ first_date() }} as as_of_date
    {%- else -%}
    select cast(date_day as date) as as_of_date
    from ({{ day_spine(first_date(), last_date(1)) }}) as days
    {%- endif %}
{%- endmacro %}

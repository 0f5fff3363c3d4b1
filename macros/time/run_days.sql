{#- A select with one row per day of the run's window: as_of_date, and for every
    trailing window the day before it begins (after_<n>d), so that a window is
    `activity_date > after_<n>d and activity_date <= as_of_date`. -#}
{% macro run_days() -%}
    {%- set window = run_window() -%}
    select
        spine.as_of_date,
        {%- for n in trailing_windows() %}
        {{ add_days('spine.as_of_date', -n) }} as after_{{ n }}d{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        {%- if window.days == 1 %}
        select {{ first_date() }} as as_of_date
        {%- else %}
        select cast(date_day as date) as as_of_date
        from ({{ dbt.date_spine('day', first_date(), last_date(1)) }}) as days
        {%- endif %}
    ) as spine
{%- endmacro %}

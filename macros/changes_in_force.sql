{#- A select: the row of the log of measure changes that says how a customer was on each
    of `days` (as_of_date, key_frame): as_of_date, customer_id, measured_on. The key frame
    has everybody, so that nothing before it is read. -#}
{% macro changes_in_force(measure_changes, days='days') -%}
    select
        days.as_of_date,
        measure_changes.customer_id,
        max(measure_changes.measured_on) as measured_on
    from {{ days }} as days
    inner join {{ measure_changes }} as measure_changes
        on
            days.key_frame = measure_changes.key_frame
            and days.as_of_date >= measure_changes.measured_on
    group by
        days.as_of_date,
        measure_changes.customer_id
{%- endmacro %}

{#- A select: the measures of everybody known on each of `days`, one row per customer
    and day. Reads `log`, which is measure_changes or some rows of it, and days as changes_in_force does. -#}
{% macro measures_of_days(log=none) -%}
    {%- set log = log or ref('measure_changes') %}
    select
        in_force.as_of_date,
        in_force.customer_id,
        {%- for column in measure_columns() %}
        measure_changes.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from ({{ changes_in_force(log) }}) as in_force
    inner join {{ log }} as measure_changes
        on
            in_force.customer_id = measure_changes.customer_id
            and in_force.measured_on = measure_changes.measured_on
    where
        measure_changes.first_seen_date <= in_force.as_of_date
        and (measure_changes.closed_date is null or measure_changes.closed_date > in_force.as_of_date)
{%- endmacro %}

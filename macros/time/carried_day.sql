{#- A select: the day before the run and its key frame, if what was measured then can be
    carried on; no row where that day was not measured, or not as this run measures, or
    where vars: incremental_features asks for everybody. -#}
{% macro carried_day(measured_days) -%}
    select
        days.as_of_date,
        days.key_frame
    from {{ measured_days }} as days
    cross join {{ ref('first_deliveries') }} as first_deliveries
    where
        days.as_of_date = {{ first_date(-1) }}
        and days.measures_version = {{ measures_version(first_date()) }}
        and {{ var('incremental_features') | lower }}
{%- endmacro %}

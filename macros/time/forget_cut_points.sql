{#- Removes the cut points that rule_cut_points appends again: those of the run's
    days, and of the days on which they are frozen, if their features are kept. -#}
{% macro forget_cut_points() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where
            as_of_date >= {{ first_date() }}
            {%- if frozen_days() %}
            or (
                as_of_date in ({{ frozen_days() | join(', ') }})
                and as_of_date in (select measured_days.as_of_date from {{ ref('measured_days') }} as measured_days)
            )
            {%- endif %}
    {%- endif -%}
{%- endmacro %}

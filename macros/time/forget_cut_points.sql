{#- Removes the cut points that rule_cut_points appends again: those of the run's
    days, and of the days on which they are frozen, if their features are kept. -#}
{% macro forget_cut_points() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where
            as_of_date >= {{ first_date() }}
            {%- for day in frozen_days() %}
            or (
                as_of_date = {{ day }}
                and exists (select 1 from {{ ref('customer_features') }} as kept where kept.as_of_date = {{ day }})
            )
            {%- endfor %}
    {%- endif -%}
{%- endmacro %}

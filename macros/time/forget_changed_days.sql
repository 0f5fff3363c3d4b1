{#- Removes the days of an activity table whose lines are no longer the delivered
    ones, so that the model appends them again. -#}
{% macro forget_changed_days() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where activity_date in (
            select changed_days.activity_date
            from ({{ changed_days(this) }}) as changed_days
        )
    {%- endif -%}
{%- endmacro %}

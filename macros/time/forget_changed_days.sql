{#- Removes the days of an activity table whose lines are no longer what the
    other relation counts for that day (late, corrected or deleted rows), so
    that the model appends them again. Both sides have lines and net_cents. -#}
{% macro forget_changed_days(relation, day_column, lines, net_cents) -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where activity_date in (
            select stored.activity_date
            from (
                select
                    activity_date,
                    sum(cast(lines as double)) as lines,
                    sum(net_cents) as net_cents
                from {{ this }}
                group by activity_date
            ) as stored
            left join (
                select
                    {{ day_column }} as activity_date,
                    sum(cast({{ lines }} as double)) as lines,
                    sum({{ net_cents }}) as net_cents
                from {{ relation }}
                group by {{ day_column }}
            ) as delivered
                on stored.activity_date = delivered.activity_date
            where
                delivered.activity_date is null
                or stored.lines <> delivered.lines
                or stored.net_cents <> delivered.net_cents
        )
    {%- endif -%}
{%- endmacro %}

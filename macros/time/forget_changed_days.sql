{#- Removes the days of an activity table whose lines are no longer the delivered
    ones (late, corrected or deleted rows), so that the model appends them again. -#}
{% macro forget_changed_days() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where activity_date in (
            select kept.activity_date
            from (
                select
                    activity_date,
                    sum(fingerprint) as fingerprint
                from {{ this }}
                where activity_date >= {{ late_rows_from() }}
                group by activity_date
            ) as kept
            left join (
                select
                    order_date,
                    sum(fingerprint) as fingerprint
                from {{ ref('delivered_days') }}
                where
                    problem is null
                    and order_date >= {{ late_rows_from() }}
                group by order_date
            ) as delivered
                on kept.activity_date = delivered.order_date
            where
                delivered.order_date is null
                or kept.fingerprint <> delivered.fingerprint
        )
    {%- endif -%}
{%- endmacro %}

{#- A select: the days whose delivered lines are not those that an activity table
    keeps, be it that rows came late, were corrected or deleted, that their products
    changed, or that the day is not kept at all. Without a table there are none. -#}
{% macro changed_days(kept) -%}
    {%- if kept %}
    select coalesce(kept.activity_date, delivered.order_date) as activity_date
    from (
        select
            activity_date,
            sum(fingerprint) as fingerprint
        from {{ kept }}
        where activity_date >= {{ late_rows_from() }}
        group by activity_date
    ) as kept
    full outer join (
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
        kept.activity_date is null
        or delivered.order_date is null
        or kept.fingerprint <> delivered.fingerprint
    {%- else %}
    select order_date as activity_date
    from {{ ref('delivered_days') }}
    where false
    {%- endif %}
{%- endmacro %}

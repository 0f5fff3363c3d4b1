{#- A select: the transaction lines of the days that an activity table does not
    keep, be it that they are new or that forget_changed_days removed them. -#}
{% macro lines_to_append() -%}
    {%- set delivered_days = ref('delivered_days') -%}
    {%- if is_incremental() -%}
    with new_days as (

        select distinct order_date
        from {{ delivered_days }}
        where
            problem is null
            and order_date <= {{ last_date() }}
            and order_date not in (select kept.activity_date from {{ this }} as kept)

    )

    select transactions.*
    from {{ ref('transactions') }} as transactions
    where
        transactions.order_date in (select new_days.order_date from new_days)
        -- Spares reading the lines of older days.
        and transactions.ordered_at >= (select min(new_days.order_date) from new_days)
    {%- else -%}
    select *
    from {{ ref('transactions') }}
    where order_date <= {{ last_date() }}
    {%- endif %}
{%- endmacro %}

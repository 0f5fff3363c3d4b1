{#- A select: the transaction lines of the days that an activity table does not
    keep, be it that they are new or that forget_changed_days removed them. Those before
    the run are asked for apart: a day that is a constant lets the engine leave out files
    and row groups, and where no day is asked for it reads nothing. -#}
{% macro lines_to_append() -%}
    {%- set delivered_days = ref('delivered_days') -%}
    {%- if is_incremental() -%}
    with new_days as (

        select distinct order_date
        from {{ delivered_days }}
        where
            problem is null
            and order_date <= {{ last_date() }}
            and order_date not in (select distinct kept.activity_date from {{ this }} as kept)

    ),

    days_before_run as (

        select order_date
        from new_days
        where order_date < {{ first_date() }}

    )

    select transactions.*
    from {{ ref('transactions') }} as transactions
    where
        transactions.order_date in (select new_days.order_date from new_days)
        and transactions.ordered_at >= {{ first_date() }}
    union all
    select transactions.*
    from {{ ref('transactions') }} as transactions
    where
        transactions.order_date in (select days_before_run.order_date from days_before_run)
        and transactions.ordered_at >= (select min(days_before_run.order_date) from days_before_run)
    {%- else -%}
    select *
    from {{ ref('transactions') }}
    where order_date <= {{ last_date() }}
    {%- endif %}
{%- endmacro %}

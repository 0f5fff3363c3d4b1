{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['seen_on', 'activity_date', 'customer_id'],
    on_schema_change='fail',
    full_refresh=false,
    pre_hook="{{ count_late_rows() }}"
) }}

{%- set kept_customer_days = kept('customer_days') %}

with changed_days as (

    select changed_days.activity_date
    from ({{ changed_days(kept_customer_days) }}) as changed_days
    where changed_days.activity_date < {{ first_date() }}

),

transactions as (

    select *
    from {{ ref('transactions') }}
    where
        order_date in (select changed_days.activity_date from changed_days)
        -- Spares reading the lines of older days.
        and ordered_at >= (select min(changed_days.activity_date) from changed_days)

),

products as (

    select * from {{ ref('products') }}

),

days_before as (

    {% if kept_customer_days -%}
    select
        customer_id,
        activity_date,
        lines,
        net_exact / 100 as net_cents,
        fingerprint
    from {{ kept_customer_days }}
    where activity_date in (select changed_days.activity_date from changed_days)
    {%- else -%}
    select
        customer_id,
        order_date as activity_date,
        cast(0 as bigint) as lines,
        cast(0 as double) as net_cents,
        cast(0 as double) as fingerprint
    from transactions
    where false
    {%- endif %}

),

days_now as (

    select
        transactions.customer_id,
        transactions.order_date as activity_date,
        count(*) as lines,
        sum({{ exact('transactions.net_amount') }}) / 100 as net_cents,
        sum({{ line_fingerprint() }}) as fingerprint
    from transactions
    left join products
        on transactions.product_id = products.product_id
    group by
        transactions.customer_id,
        transactions.order_date

),

compared as (

    select
        {{ first_date() }} as seen_on,
        {{ first_date() }} as counted_from,
        coalesce(days_before.activity_date, days_now.activity_date) as activity_date,
        coalesce(days_before.customer_id, days_now.customer_id) as customer_id,
        coalesce(days_before.lines, 0) as lines_before,
        coalesce(days_now.lines, 0) as lines_now,
        coalesce(days_before.net_cents, 0) as net_cents_before,
        coalesce(days_now.net_cents, 0) as net_cents_now,
        coalesce(days_before.fingerprint, 0) as fingerprint_before,
        coalesce(days_now.fingerprint, 0) as fingerprint_now
    from days_before
    full outer join days_now
        on
            days_before.customer_id = days_now.customer_id
            and days_before.activity_date = days_now.activity_date

),

late as (

    select *
    from compared
    where
        lines_before <> lines_now
        or fingerprint_before <> fingerprint_now

)

{% if is_incremental() -%}
-- A run that failed may have seen the day already: what was before it stays before, unless
-- earlier days have been restated with what it saw, which then is what was before.
select
    late.seen_on,
    late.counted_from,
    late.activity_date,
    late.customer_id,
    coalesce(logged.lines_before, late.lines_before) as lines_before,
    late.lines_now,
    coalesce(logged.net_cents_before, late.net_cents_before) as net_cents_before,
    late.net_cents_now,
    coalesce(logged.fingerprint_before, late.fingerprint_before) as fingerprint_before,
    late.fingerprint_now
from late
left join {{ this }} as logged
    on
        late.seen_on = logged.seen_on
        and late.counted_from = logged.counted_from
        and late.activity_date = logged.activity_date
        and late.customer_id = logged.customer_id
{%- else -%}
select * from late
{%- endif %}

{#- Runs before features and history are built, so it reads them as the previous run left them. -#}
{%- set log = kept('raw_segment_entries', 'history') -%}
{%- set last_entries = kept('last_raw_segment_entries', 'history') -%}
{%- set segmentation_days = kept('segmentation_days', 'history') -%}
{%- set customer_days = kept('customer_days', 'features') -%}
{%- set is_run = 'segmentation in ' ~ sql_texts(segmentations()) %}
-- depends_on: {{ ref('customers') }}

with
{% if log and segmentation_days -%}
customers as (

    select
        customer_id,
        min(first_seen_date) as first_seen_date,
        min(closed_date) as closed_date
    from {{ ref('customers') }}
    group by customer_id

),

history as (

    select distinct as_of_date
    from {{ segmentation_days }}

),

last_entries as (

    select
        customer_id,
        segmentation,
        segment,
        entered_on
    from {{ last_entries or '(' ~ last_of_each(log, log) ~ ')' }} as last_of_each

),

-- The day before the run and, if the run builds days again, the last day that was built.
compared_days as (

    select
        {{ first_date(-1) }} as known_on,
        cast({{ run_window().days }} as bigint) as days
    union all
    select
        max(as_of_date) as known_on,
        cast(greatest({{ days_between('max(as_of_date)', last_date()) }}, 1) as bigint) as days
    from history
    having max(as_of_date) >= {{ first_date() }}

),

known as (

    select
        {{ first_date(-1) }} as known_on,
        customer_id
    from last_entries
    where
        {{ is_run }}
        and segment <> '(left)'
        and entered_on < {{ first_date() }}
    union
    -- They have moved since: days after the one before the run were built.
    select
        {{ first_date(-1) }} as known_on,
        customer_id
    from {{ log }} as moved_since
    where
        {{ is_run }}
        and entered_on >= {{ first_date() }}
        and previous_entered_on < {{ first_date() }}
    union
    select
        compared_days.known_on,
        last_entries.customer_id
    from last_entries
    cross join compared_days
    where
        {{ is_run }}
        and last_entries.segment <> '(left)'
        and compared_days.known_on >= {{ first_date() }}

),

-- Somebody first seen later is not a customer yet, unless an order shows the opposite.
not_yet_seen as (

    select customers.customer_id
    from customers
    where
        customers.first_seen_date > {{ last_date() }}
        {%- if customer_days %}
        and not exists (
            select 1
            from {{ customer_days }} as ordered
            where
                ordered.customer_id = customers.customer_id
                and ordered.activity_date <= {{ last_date() }}
        )
        {%- endif %}

),

departed as (

    select
        known.known_on,
        count(*) as known_customers,
        sum(case when customers.customer_id is null or not_yet_seen.customer_id is not null then 1 else 0 end)
            as vanished_customers,
        sum(case when customers.closed_date <= {{ last_date() }} and not_yet_seen.customer_id is null then 1 else 0 end)
            as closed_customers
    from known
    left join customers
        on known.customer_id = customers.customer_id
    left join not_yet_seen
        on known.customer_id = not_yet_seen.customer_id
    group by known.known_on

),

past_departures as (

    select
        entered_on,
        count(distinct customer_id) as customers
    from {{ log }} as left_before
    where
        segment = '(left)'
        and entered_on >= {{ first_date(-56) }}
        and entered_on < {{ first_date() }}
    group by entered_on

),

-- The number that nineteen of twenty days of the eight weeks before do not exceed: one odd day does not become usual.
usual as (

    select {{ cut_point('coalesce(past_departures.customers, 0)', 95) }} as departures
    from history
    left join past_departures
        on history.as_of_date = past_departures.entered_on
    where
        history.as_of_date >= {{ first_date(-56) }}
        and history.as_of_date < {{ first_date() }}

),

counted as (

    select
        compared_days.known_on,
        compared_days.days,
        coalesce(departed.known_customers, 0) as known_customers,
        coalesce(departed.vanished_customers, 0) as vanished_customers,
        coalesce(departed.closed_customers, 0) as closed_customers,
        coalesce(usual.departures, 0) as usual_departures
    from compared_days
    left join departed
        on compared_days.known_on = departed.known_on
    cross join usual

)
{%- else -%}
counted as (

    select
        {{ first_date(-1) }} as known_on,
        cast({{ run_window().days }} as bigint) as days,
        0 as known_customers,
        0 as vanished_customers,
        0 as closed_customers,
        cast(0 as double) as usual_departures

)
{%- endif %}

select
    {%- for kind in ['vanished', 'closed'] %}
    cast({{ kind }}_customers as bigint) as {{ kind }}_customers,
    -- A week of a long run may lose as many as a run of a day.
    coalesce(cast({{ kind }}_customers as double) / nullif(known_customers, 0), 0) / ceil(days / 7e0)
        as {{ kind }}_share,
    {{ kind }}_customers / greatest(days * usual_departures, 1) as {{ kind }}_times_usual,
    {%- endfor %}
    known_on,
    days,
    cast(known_customers as bigint) as known_customers,
    usual_departures
from counted

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook=[
        {"sql": "{{ make_measures_in_force() }}", "transaction": false},
        {"sql": "{{ add_new_columns(measures_in_force_of(this)) }}", "transaction": false},
        "{{ forget('measured_on') }}",
        "{{ forget_old_features('measured_on') }}",
        "{{ rewind_measures() }}",
    ],
    post_hook="{{ advance_measures() }}"
) }}

{%- set window = run_window() %}
{%- set columns_kept = [] %}
{%- if is_incremental() %}
{%- set columns_kept = adapter.get_columns_in_relation(this) | map(attribute='name') | list %}
{%- endif %}

with customers as (

    select * from {{ ref('customers') }}

),

contacts as (

    select * from {{ ref('contacts') }}

),

responses as (

    select * from {{ ref('responses') }}

),

measured_days as (

    select * from {{ ref('measured_days') }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}

),

{% if is_incremental() -%}
-- How customers were the day before the run, in what can change without activity.
stored as (

    select
        in_force.customer_id,
        in_force.closed_date,
        in_force.first_seen_date,
        in_force.first_order_date,
        in_force.last_response_date,
        in_force.contacts_365d,
        in_force.responses_365d
    from {{ measures_in_force_of(this) }} as in_force
    inner join ({{ carried_day(ref('measured_days')) }}) as carried_day
        on in_force.key_frame = carried_day.key_frame

),

contacted_now as (

    select
        customer_id,
        count(*) as contacts_365d
    from contacts
    where
        contact_date > {{ first_date(-365) }}
        and contact_date <= {{ first_date() }}
    group by customer_id

),

responded_now as (

    select
        customer_id,
        max(response_date) as last_response_date,
        count(case when response_date > {{ first_date(-365) }} then 1 end) as responses_365d
    from responses
    where response_date <= {{ first_date() }}
    group by customer_id

),

-- Who is new or back, was closed or opened again, or has other contacts and responses.
changed_customers as (

    select customers.customer_id
    from customers
    left join stored
        on customers.customer_id = stored.customer_id
    left join contacted_now
        on customers.customer_id = contacted_now.customer_id
    left join responded_now
        on customers.customer_id = responded_now.customer_id
    where
        stored.customer_id is null
        or customers.closed_date is distinct from stored.closed_date
        or least(customers.first_seen_date, stored.first_order_date) is distinct from stored.first_seen_date
        or coalesce(contacted_now.contacts_365d, 0) <> coalesce(stored.contacts_365d, 0)
        or coalesce(responded_now.responses_365d, 0) <> coalesce(stored.responses_365d, 0)
        or responded_now.last_response_date is distinct from stored.last_response_date

),

{% endif -%}
-- The days on which what is known of somebody can become another: days of activity,
-- days when activity leaves a trailing window, and the run's first day for what has
-- changed in between. On key frames in a run, and on days when something is delivered for
-- the first time, everybody can.
possible_turns as (

    {% if is_incremental() -%}
    select
        customer_id,
        {{ first_date() }} as turned_on
    from changed_customers
    {%- else -%}
    select
        customer_id,
        {{ first_date() }} as turned_on
    from customers
    {%- endif %}
    union
    select
        customer_id,
        {{ first_date() }} as turned_on
    from {{ ref('late_customer_days') }}
    where seen_on >= {{ first_date() }}
    {%- for n in [0] + trailing_windows() %}
    union
    select
        customer_id,
        {{ add_days('activity_date', n) }} as turned_on
    from {{ ref('customer_days') }}
    where activity_date between {{ first_date(-n) }} and {{ last_date(-n) }}
    {%- endfor %}
    {%- for n in [0, 365] %}
    union
    select
        customer_id,
        {{ add_days('contact_date', n) }} as turned_on
    from contacts
    where contact_date between {{ first_date(-n) }} and {{ last_date(-n) }}
    union
    select
        customer_id,
        {{ add_days('response_date', n) }} as turned_on
    from responses
    where response_date between {{ first_date(-n) }} and {{ last_date(-n) }}
    {%- endfor %}
    {%- if window.days > 1 %}
    {%- for fact in optional_facts() %}
    union
    select
        customers.customer_id,
        first_deliveries.{{ fact }}_on as turned_on
    from customers
    cross join {{ ref('first_deliveries') }} as first_deliveries
    where first_deliveries.{{ fact }}_on between {{ first_date() }} and {{ last_date() }}
    {%- endfor %}
    union
    select
        customers.customer_id,
        measured_days.as_of_date as turned_on
    from customers
    cross join measured_days
    where
        measured_days.as_of_date = measured_days.key_frame
        and measured_days.as_of_date > {{ first_date() }}
    {%- endif %}

),

turns as (

    select possible_turns.*
    from possible_turns
    inner join customers
        on possible_turns.customer_id = customers.customer_id
    where customers.closed_date is null or customers.closed_date > possible_turns.turned_on

),

{{ measures_at_turns(first_date(), last_date(), window.days > 1) }},

{% if is_incremental() -%}
carried_customers as (

    select
        stored.customer_id,
        {%- if window.first.day == 1 %}
        customers.closed_date
    from stored
    -- A key frame: whoever did not turn is as they were.
    inner join customers
        on stored.customer_id = customers.customer_id
    where
        (customers.closed_date is null or customers.closed_date > {{ first_date() }})
        and not exists (
            select 1
            from turns
            where
                turns.customer_id = stored.customer_id
                and turns.turned_on = {{ first_date() }}
        )
    {%- else %}
        {{ first_date() }} as closed_date
    from stored
    -- Who is gone, or was closed after the fact, is closed from this day on.
    left join customers
        on stored.customer_id = customers.customer_id
    where
        (stored.closed_date is null or stored.closed_date > {{ first_date() }})
        and (customers.customer_id is null or customers.closed_date <= {{ first_date() }})
    {%- endif %}

),

-- Only now their measures, for on most days they are few.
carried as (

    select
        {{ first_date() }} as measured_on,
        carried_customers.customer_id,
        carried_customers.closed_date,
        {#- A feature that the log does not have yet: then nobody is carried on. -#}
        {%- for column in measure_columns() %}
        {{ 'in_force.' if column in columns_kept else 'null as ' }}{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from carried_customers
    inner join {{ measures_in_force_of(this) }} as in_force
        on carried_customers.customer_id = in_force.customer_id

),

{% endif -%}
changes as (

    select
        turned_on as measured_on,
        customer_id,
        closed_date,
        {{ measure_columns() | join(',\n        ') }}
    from measured
    {%- if is_incremental() %}
    union all
    select
        measured_on,
        customer_id,
        closed_date,
        {{ measure_columns() | join(',\n        ') }}
    from carried
    {%- endif %}

)

select
    changes.*,
    measured_days.key_frame
from changes
inner join measured_days
    on changes.measured_on = measured_days.as_of_date

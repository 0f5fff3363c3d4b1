{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    full_refresh=false,
    pre_hook="{{ attach_history_before_restating() }}"
) }}

-- depends_on: {{ ref('segment_entries') }}
-- depends_on: {{ ref('ops_restated_customers') }}
-- depends_on: {{ ref('fct_segment_daily') }}
{%- set restated = restatement() %}
{%- if restated %}
{%- set measures = ['customers', 'entered', 'exited', 'joined', '"left"', 'net_sales_30d', 'orders_30d'] %}

with restated_customers as (

    select * from {{ ref('ops_restated_customers') }}
    where run_id = {{ sql_text(restated.run_id) }}

),

entries as (

    {%- for side, relation in {
        'before': restated.before ~ '.history.segment_entries', 'now': ref('segment_entries')
    }.items() %}
    select
        '{{ side }}' as side,
        customer_id,
        segmentation,
        entered_on,
        segment,
        previous_segment,
        rule_version,
        entry_clauses,
        exit_clauses,
        held_since
    from {{ relation }}
    where entered_on between {{ date_literal(restated.first) }} and {{ last_date() }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

changed_entries as (

    select
        customer_id,
        segmentation,
        entered_on,
        min(side) as side
    from entries
    group by
        customer_id,
        segmentation,
        entered_on,
        segment,
        previous_segment,
        rule_version,
        entry_clauses,
        exit_clauses,
        held_since
    having count(*) = 1

),

entry_counts as (

    select
        entered_on as as_of_date,
        segmentation,
        count(case when side = 'before' then 1 end) as entries_removed,
        count(case when side = 'now' then 1 end) as entries_added
    from changed_entries
    group by
        entered_on,
        segmentation

),

-- A customer counts from the day that parts the histories to the one that joins them.
partings as (

    select
        segmentation,
        valid_from as as_of_date,
        1 as customers
    from restated_customers
    union all
    select
        segmentation,
        valid_to as as_of_date,
        -1 as customers
    from restated_customers

),

partings_by_day as (

    select
        segmentation,
        as_of_date,
        sum(customers) as customers
    from partings
    group by
        segmentation,
        as_of_date

),

daily_rows as (

    {%- for side, relation in {
        'before': restated.before ~ '.marts.fct_segment_daily', 'now': ref('fct_segment_daily')
    }.items() %}
    select
        '{{ side }}' as side,
        as_of_date,
        segmentation,
        segment,
        {{ measures | join(',\n        ') }}
    from {{ relation }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

changed_daily_rows as (

    select
        as_of_date,
        segmentation,
        count(distinct segment) as segments_changed
    from (
        select
            as_of_date,
            segmentation,
            segment
        from daily_rows
        group by
            as_of_date,
            segmentation,
            segment,
            {{ measures | join(',\n            ') }}
        having count(*) = 1
    ) as changed
    group by
        as_of_date,
        segmentation

),

days as (

    select
        as_of_date,
        segmentation,
        sum(case when side = 'before' then customers else 0 end) as customers_known_before,
        sum(case when side = 'now' then customers else 0 end) as customers_known
    from daily_rows
    group by
        as_of_date,
        segmentation

),

parted as (

    select
        days.as_of_date,
        days.segmentation,
        sum(partings_by_day.customers) as customers
    from days
    inner join partings_by_day
        on
            days.segmentation = partings_by_day.segmentation
            and days.as_of_date >= partings_by_day.as_of_date
    group by
        days.as_of_date,
        days.segmentation

),

counted as (

    select
        days.as_of_date,
        days.segmentation,
        days.as_of_date <= {{ date_literal(restated.last) }} as is_asked,
        cast(coalesce(parted.customers, 0) as bigint) as customers_changed,
        cast(days.customers_known_before as bigint) as customers_known_before,
        cast(days.customers_known as bigint) as customers_known,
        coalesce(entry_counts.entries_removed, 0) as entries_removed,
        coalesce(entry_counts.entries_added, 0) as entries_added,
        coalesce(changed_daily_rows.segments_changed, 0) as segments_changed
    from days
    left join parted
        on
            days.as_of_date = parted.as_of_date
            and days.segmentation = parted.segmentation
    left join entry_counts
        on
            days.as_of_date = entry_counts.as_of_date
            and days.segmentation = entry_counts.segmentation
    left join changed_daily_rows
        on
            days.as_of_date = changed_daily_rows.as_of_date
            and days.segmentation = changed_daily_rows.segmentation

)

select
    cast({{ sql_text(restated.run_id) }} as {{ dbt.type_string() }}) as run_id,
    cast({{ sql_text(restated.reason) }} as {{ dbt.type_string() }}) as reason,
    {{ date_literal(restated.first) }} as asked_first_date,
    {{ date_literal(restated.last) }} as asked_last_date,
    {{ date_literal(restated.rebuilt_to) }} as rebuilt_last_date,
    as_of_date,
    segmentation,
    is_asked,
    customers_changed,
    customers_known_before,
    customers_known,
    entries_removed,
    entries_added,
    segments_changed
from counted
where
    is_asked
    or customers_changed > 0
    or entries_removed > 0
    or entries_added > 0
    or segments_changed > 0
{%- else %}

-- Other runs rewrite nothing that is published.
select
    cast(null as {{ dbt.type_string() }}) as run_id,
    cast(null as {{ dbt.type_string() }}) as reason,
    cast(null as date) as asked_first_date,
    cast(null as date) as asked_last_date,
    cast(null as date) as rebuilt_last_date,
    cast(null as date) as as_of_date,
    cast(null as {{ dbt.type_string() }}) as segmentation,
    cast(null as boolean) as is_asked,
    cast(null as bigint) as customers_changed,
    cast(null as bigint) as customers_known_before,
    cast(null as bigint) as customers_known,
    cast(null as bigint) as entries_removed,
    cast(null as bigint) as entries_added,
    cast(null as bigint) as segments_changed
where false
{%- endif %}

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('entered_on') }}"
) }}

with today as (

    select * from {{ ref('segment_states') }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}

),

{% if is_incremental() -%}
last_entries as (

    select
        customer_id,
        segmentation,
        max_by(segment, entered_on) as segment
    from {{ this }}
    where entered_on < {{ first_date() }}
    group by
        customer_id,
        segmentation

),

{% endif -%}
-- The state a day before each day of the run, dated with that day.
yesterday as (

    {% if run_window().days > 1 -%}
    select
        customer_id,
        segmentation,
        segment,
        {{ add_days('as_of_date', 1) }} as as_of_date
    from today
    where as_of_date < {{ last_date() }}
    {%- else -%}
        select
            customer_id,
            segmentation,
            segment,
            as_of_date
        from today
        where false
    {%- endif %}
    {%- if is_incremental() %}
    union all
    select
        customer_id,
        segmentation,
        segment,
        {{ first_date() }} as as_of_date
    from last_entries
    where
        segment <> '(left)'
        and segmentation in (
            {%- for name in var('segmentations') %}
            '{{ name }}'{{ ',' if not loop.last }}
            {%- endfor %}
        )
    {%- endif %}

),

entries as (

    select
        coalesce(today.customer_id, yesterday.customer_id) as customer_id,
        coalesce(today.segmentation, yesterday.segmentation) as segmentation,
        coalesce(today.as_of_date, yesterday.as_of_date) as entered_on,
        coalesce(today.segment, '(left)') as segment,
        yesterday.segment as previous_segment,
        today.rule_version,
        today.held_clauses
    from today
    full outer join yesterday
        on
            today.customer_id = yesterday.customer_id
            and today.segmentation = yesterday.segmentation
            and today.as_of_date = yesterday.as_of_date
    where
        today.segment is null
        or yesterday.segment is null
        or today.segment <> yesterday.segment

)

select * from entries

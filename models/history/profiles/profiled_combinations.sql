{{ config(materialized='table', tags=['weekly']) }}
-- depends_on: {{ ref('segment_entries') }}

with profile_days as (

    select * from {{ ref('profile_days') }}

),

last_entries as (

    select last_of_each.*
    from {{ last_entries_of(ref('segment_entries')) }} as last_of_each

),

-- Who has moved since that day is looked up in the log.
moved_since as (

    select
        last_entries.customer_id,
        last_entries.segmentation
    from last_entries
    cross join profile_days
    where last_entries.entered_on > profile_days.as_of_date

),

earlier_entries as (

    select
        segment_entries.customer_id,
        segment_entries.segmentation,
        segment_entries.segment,
        row_number() over (
            partition by segment_entries.customer_id, segment_entries.segmentation
            order by segment_entries.entered_on desc
        ) as entries_since
    from {{ ref('segment_entries') }} as segment_entries
    inner join moved_since
        on
            segment_entries.customer_id = moved_since.customer_id
            and segment_entries.segmentation = moved_since.segmentation
    cross join profile_days
    where segment_entries.entered_on <= profile_days.as_of_date

),

segments_then as (

    select
        last_entries.customer_id,
        last_entries.segmentation,
        last_entries.segment
    from last_entries
    cross join profile_days
    where
        last_entries.entered_on <= profile_days.as_of_date
        and last_entries.segment <> '(left)'
    union all
    select
        customer_id,
        segmentation,
        segment
    from earlier_entries
    where
        entries_since = 1
        and segment <> '(left)'

),

combinations as (
    {{ combinations_of('segments_then') }}

)

select * from combinations

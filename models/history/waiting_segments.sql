{{ config(materialized='table') }}
{#- A move of the rules that began earlier counts by now. -#}
{%- set longest_wait = (definitions() | map(attribute='confirm_days') | list + [1]) | max - 1 %}

with moved_lately as (

    select
        customer_id,
        segmentation,
        segment
    from {{ last_entries_of(ref('raw_segment_entries')) }}
    where entered_on > {{ add_days(last_date(), -longest_wait) }}

),

counting as (

    select
        customer_id,
        segmentation,
        segment
    from {{ last_entries_of(ref('segment_entries')) }}

)

select
    counting.customer_id,
    counting.segmentation,
    counting.segment
from counting
inner join moved_lately
    on
        counting.customer_id = moved_lately.customer_id
        and counting.segmentation = moved_lately.segmentation
where
    counting.segment <> moved_lately.segment
    and counting.segment <> '(left)'

{{ config(
    materialized='incremental',
    tags='every_day',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('as_of_date') }}"
) }}

with segment_entries as (

    select * from {{ ref('segment_entries') }}
    where entered_on between {{ first_date() }} and {{ last_date() }}

),

counted as (

    select
        entered_on as as_of_date,
        segmentation,
        rule_version,
        1 as moves,
        0 as reversed_moves
    from segment_entries
    where
        segment <> '(left)'
        and previous_segment <> '(left)'
    union all
    select
        entered_on as as_of_date,
        segmentation,
        previous_rule_version as rule_version,
        0 as moves,
        1 as reversed_moves
    from segment_entries
    where
        segment = previous_entered_from
        and previous_segment <> '(left)'
        and previous_entered_from <> '(left)'
        and {{ days_between('previous_entered_on', 'entered_on') }} <= 30

)

select
    as_of_date,
    segmentation,
    rule_version,
    cast(sum(moves) as bigint) as moves,
    cast(sum(reversed_moves) as bigint) as reversed_moves
from counted
group by
    as_of_date,
    segmentation,
    rule_version

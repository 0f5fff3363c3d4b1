{{ config(materialized='table', tags=['weekly']) }}

with segmentation_days as (

    select * from {{ ref('segmentation_days') }}

),

versions_in_force as (

    select
        segmentation,
        rule_version
    from segmentation_days
    where as_of_date = {{ last_date() }}

),

first_days as (

    select
        versions_in_force.segmentation,
        min(segmentation_days.as_of_date) as as_of_date
    from versions_in_force
    inner join segmentation_days
        on
            versions_in_force.segmentation = segmentation_days.segmentation
            and versions_in_force.rule_version = segmentation_days.rule_version
    group by versions_in_force.segmentation

)

-- New rules are profiled from their first day on.
select cast(greatest({{ weekly_day() }}, max(as_of_date)) as date) as as_of_date
from first_days

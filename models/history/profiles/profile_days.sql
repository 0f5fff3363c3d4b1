{{ config(materialized='table', tags=['weekly']) }}

with segmentation_days as (

    select * from {{ ref('segmentation_days') }}

),

-- Rules that are newer than the day that is due are profiled as of the run's last day, until the next one is due.
newer_rules as (

    select count(*) as versions
    from segmentation_days as in_force
    where
        in_force.as_of_date = {{ last_date() }}
        and not exists (
            select 1
            from segmentation_days as due
            where
                due.as_of_date = {{ weekly_day() }}
                and due.segmentation = in_force.segmentation
                and due.rule_version = in_force.rule_version
        )

)

select case when versions = 0 then {{ weekly_day() }} else {{ last_date() }} end as as_of_date
from newer_rules

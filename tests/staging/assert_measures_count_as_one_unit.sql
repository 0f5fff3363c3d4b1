-- 13,494 lines of the demo have a quantity over 1,000. All are fuel, where it is a measure.
{{ config(enabled = 'completejourney' in var('sources'), tags = ['of_files']) }}

with measured_lines as (

    select count(*) as lines
    from {{ source('completejourney', 'transactions') }}
    where quantity > 1000

),

large_units as (

    select count(*) as lines
    from {{ ref('stg_completejourney__transactions') }}
    where units > 1000

)

select
    measured_lines.lines as measured_lines,
    large_units.lines as lines_of_more_than_1000_units
from measured_lines
cross join large_units
where
    measured_lines.lines <> 13494
    or large_units.lines <> 0

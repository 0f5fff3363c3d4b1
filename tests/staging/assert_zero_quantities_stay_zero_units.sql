-- 8,869 lines of the demo carry no quantity: price corrections, which count as money and not as units.
{{ config(enabled = 'completejourney' in var('sources'), tags = ['of_files']) }}

with lines_of_zero_units as (

    select count(*) as lines
    from {{ ref('stg_completejourney__transactions') }}
    where units = 0

)

select *
from lines_of_zero_units
where lines <> 8869

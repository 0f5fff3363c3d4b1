{{ config(materialized='table', schema='profiles', contract={'enforced': false}, tags=['weekly']) }}

with dim_segmentations as (

    select * from {{ ref('dim_segmentations') }}
    where is_current

)

-- New rules are profiled from their first day on.
select cast(greatest({{ weekly_day() }}, max(first_as_of_date)) as date) as as_of_date
from dim_segmentations

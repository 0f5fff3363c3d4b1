{{ config(materialized='view') }}

with checks as (

    select * from {{ source('operations', 'checks') }}

)

select
    run_id,
    suite,
    code,
    description,
    mart,
    status,
    severity,
    observed,
    expected,
    coalesce(was_accepted, false) as was_accepted
from checks

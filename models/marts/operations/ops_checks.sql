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
    expected
from checks

{{ config(materialized='view') }}

with runs as (

    select * from {{ source('operations', 'runs') }}

)

select
    run_id,
    first_as_of_date,
    last_as_of_date,
    kind,
    status,
    message,
    started_at,
    ended_at,
    code_version,
    rows_by_mart
from runs

{{ config(materialized='view') }}

with source_files as (

    select * from {{ source('operations', 'source_files') }}

)

select
    run_id,
    source_system,
    table_name,
    file,
    files,
    bytes,
    records,
    rows_read,
    rows_kept,
    rows_rejected
from source_files

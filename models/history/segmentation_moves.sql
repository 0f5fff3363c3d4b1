{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('as_of_date') }}"
) }}

with segment_entries as (

    select * from {{ ref('segment_entries') }}
    where entered_on between {{ first_date() }} and {{ last_date() }}

),

moves as (
    {{ moves_by_day('segment_entries') }}

)

select * from moves

{{ config(materialized='view') }}

with days as (

    select * from {{ ref('measured_days') }}

),

measures as (
    {{ measures_of_days() }}

)

select * from measures

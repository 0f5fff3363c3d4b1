{{ config(materialized='table', tags=['weekly']) }}

with combinations as (
    {{ segments_of_combinations(ref('profiled_combinations')) }}

)

select * from combinations

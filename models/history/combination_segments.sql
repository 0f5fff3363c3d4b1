{{ config(materialized='table') }}

with combinations as (
    {{ segments_of_combinations(ref('customer_combinations')) }}

)

select * from combinations

{{ config(materialized='table') }}

{{ patterns_of(ref('customer_repeats')) }}

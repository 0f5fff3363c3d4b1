{{ config(materialized='table') }}

{{ customer_repeats_on(last_date(), 180) }}

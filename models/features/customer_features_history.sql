{{ config(materialized='view') }}

{{ features_of('customer_measures_history') }}

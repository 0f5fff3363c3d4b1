{{ config(materialized='table') }}

{{ expectations_of(ref('customer_repeats'), ref('value_parameters'), ref('pattern_expectations')) }}

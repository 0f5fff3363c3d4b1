{{ config(materialized='table', tags=['monthly']) }}

{{ patterns_of(ref('backtest_repeats')) }}

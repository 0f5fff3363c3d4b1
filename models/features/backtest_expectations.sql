{{ config(materialized='table', tags=['monthly']) }}

{{ expectations_of(ref('backtest_repeats'), ref('backtest_parameters'), ref('backtest_pattern_expectations')) }}

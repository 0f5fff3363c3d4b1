{{ config(materialized='table', tags=['monthly']) }}

{{ customer_repeats_on(backtest_day(-var('value_holdout_days')), var('value_holdout_days')) }}

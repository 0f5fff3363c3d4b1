{{ config(tags=['monthly']) }}
{%- set holdout_days = var('value_holdout_days') %}
{#- As many days as expectations are made for: who has been a customer for fewer is new. -#}
{%- set new_days = 180 %}

-- Who was known at the day from which the forecasts are made, with what the model expected of them.
with backtest_expectations as (

    select
        as_of_date,
        customer_id,
        expected_net_cents
    from {{ ref('backtest_expectations') }}

),

backtest_repeats as (

    select
        as_of_date,
        customer_id,
        age_days,
        net_exact
    from {{ ref('backtest_repeats') }}

),

customer_days as (

    select
        customer_id,
        activity_date,
        orders,
        net_exact
    from {{ ref('customer_days') }}

),

-- A year of seasons can only be repeated where orders reach back that far.
first_days as (

    select min(activity_date) as first_order_date
    from customer_days
    where orders > 0

),

seasons as (

    select
        case
            when first_order_date <= {{ backtest_day(1 - holdout_days - 365) }}
                then {{ backtest_day(-holdout_days - 365) }}
            else {{ backtest_day(-2 * holdout_days) }}
        end as after_date,
        case
            when first_order_date <= {{ backtest_day(1 - holdout_days - 365) }} then {{ backtest_day(-365) }}
            else {{ backtest_day(-holdout_days) }}
        end as last_date
    from first_days

),

season_sales as (

    select
        customer_days.customer_id,
        sum(customer_days.net_exact) as net_exact
    from customer_days
    inner join seasons
        on
            customer_days.activity_date > seasons.after_date
            and customer_days.activity_date <= seasons.last_date
    group by customer_days.customer_id

),

holdout_sales as (

    select
        customer_id,
        sum(net_exact) as net_exact
    from customer_days
    where
        activity_date > {{ backtest_day(-holdout_days) }}
        and activity_date <= {{ backtest_day() }}
    group by customer_id

),

-- All methods forecast the same customers: those with an expectation by the model.
forecast_customers as (

    select
        backtest_repeats.customer_id,
        backtest_repeats.age_days < {{ new_days }} as is_new,
        coalesce(holdout_sales.net_exact, 0) as actual_exact,
        -- Forecasts are whole cents.
        backtest_expectations.expected_net_cents * 100 as model_exact,
        round(
            backtest_repeats.net_exact / 100 / (backtest_repeats.age_days + 1) * {{ holdout_days }}
        ) * 100 as past_exact,
        coalesce(season_sales.net_exact, 0) as season_exact
    from backtest_repeats
    inner join backtest_expectations
        on backtest_repeats.customer_id = backtest_expectations.customer_id
    left join holdout_sales
        on backtest_repeats.customer_id = holdout_sales.customer_id
    left join season_sales
        on backtest_repeats.customer_id = season_sales.customer_id
    where backtest_expectations.expected_net_cents is not null

),

forecasts as (

    select
        'bg_nbd_gamma_gamma' as forecaster,
        customer_id,
        is_new,
        actual_exact,
        model_exact as forecast_exact
    from forecast_customers
    union all
    select
        'past_spend' as forecaster,
        customer_id,
        is_new,
        actual_exact,
        past_exact as forecast_exact
    from forecast_customers
    union all
    select
        'seasonal_naive' as forecaster,
        customer_id,
        is_new,
        actual_exact,
        season_exact as forecast_exact
    from forecast_customers

),

-- Equals share the mean of their ranks.
ranked as (

    select
        forecaster,
        is_new,
        actual_exact,
        forecast_exact,
        rank() over (
            partition by forecaster
            order by actual_exact
        ) + (count(*) over (partition by forecaster, actual_exact) - 1) / cast(2 as double) as actual_rank,
        rank() over (
            partition by forecaster
            order by forecast_exact
        ) + (count(*) over (partition by forecaster, forecast_exact) - 1) / cast(2 as double) as forecast_rank
    from forecasts

),

errors as (

    select
        forecaster,
        count(*) as customers,
        sum(actual_exact) as actual_exact,
        sum(forecast_exact) as forecast_exact,
        sum(abs(forecast_exact - actual_exact)) as absolute_exact,
        sum(power({{ from_exact('forecast_exact') }} - {{ from_exact('actual_exact') }}, 2)) as squares,
        sum(case when is_new then 1 else 0 end) as new_customers,
        sum(case when is_new then actual_exact else 0 end) as new_actual_exact,
        sum(case when is_new then forecast_exact else 0 end) as new_forecast_exact,
        sum(case when is_new then abs(forecast_exact - actual_exact) else 0 end) as new_absolute_exact,
        corr(forecast_rank, actual_rank) as rank_correlation
    from ranked
    group by forecaster

)

select
    {{ backtest_day() }} as as_of_date,
    {{ backtest_day(-holdout_days) }} as forecast_from,
    errors.forecaster,
    case
        when errors.forecaster = 'seasonal_naive'
            then {{ days_between('seasons.after_date', backtest_day(-holdout_days)) }}
    end as season_days,
    errors.customers,
    {{ money('errors.actual_exact') }} as actual_net_sales,
    {{ money('errors.forecast_exact') }} as forecast_net_sales,
    round(errors.forecast_exact / nullif(errors.actual_exact, 0) - 1, 6) as total_bias,
    round({{ from_exact('errors.absolute_exact') }} / errors.customers, 2) as mean_absolute_error,
    round(sqrt(errors.squares / errors.customers), 2) as root_mean_squared_error,
    case when not isnan(errors.rank_correlation) then round(errors.rank_correlation, 6) end as rank_correlation,
    cast(errors.new_customers as bigint) as new_customers,
    {{ money('errors.new_actual_exact') }} as new_actual_net_sales,
    {{ money('errors.new_forecast_exact') }} as new_forecast_net_sales,
    round(errors.new_forecast_exact / nullif(errors.new_actual_exact, 0) - 1, 6) as new_total_bias,
    round({{ from_exact('errors.new_absolute_exact') }} / nullif(errors.new_customers, 0), 2) as new_mean_absolute_error
from errors
cross join seasons

{%- set holdout_days = var('value_holdout_days') %}
{#- As many days as expectations are made for: who has been a customer for fewer is new. -#}
{%- set new_days = 180 %}

-- Who was known at the day from which the forecasts are made, with what the model expected of them.
with customer_expectations as (

    select
        as_of_date,
        customer_id,
        expected_net_cents
    from {{ ref('customer_expectations') }}
    where as_of_date = {{ last_date(-holdout_days) }}

),

customer_repeats as (

    select
        as_of_date,
        customer_id,
        age_days,
        net_cents
    from {{ ref('customer_repeats') }}
    where as_of_date = {{ last_date(-holdout_days) }}

),

customer_days as (

    select
        customer_id,
        activity_date,
        net_cents
    from {{ ref('customer_days') }}

),

-- A year of seasons can only be repeated where orders reach back that far.
first_days as (

    select min(activity_date) as first_order_date
    from customer_days

),

seasons as (

    select
        case
            when first_order_date <= {{ last_date(1 - holdout_days - 365) }} then {{ last_date(-holdout_days - 365) }}
            else {{ last_date(-2 * holdout_days) }}
        end as after_date,
        case
            when first_order_date <= {{ last_date(1 - holdout_days - 365) }} then {{ last_date(-365) }}
            else {{ last_date(-holdout_days) }}
        end as last_date
    from first_days

),

season_sales as (

    select
        customer_days.customer_id,
        sum(customer_days.net_cents) as net_cents
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
        sum(net_cents) as net_cents
    from customer_days
    where
        activity_date > {{ last_date(-holdout_days) }}
        and activity_date <= {{ last_date() }}
    group by customer_id

),

-- All methods forecast the same customers: those of whom the model expects something.
forecast_customers as (

    select
        customer_repeats.customer_id,
        customer_repeats.age_days < {{ new_days }} as is_new,
        coalesce(holdout_sales.net_cents, 0) as actual_cents,
        customer_expectations.expected_net_cents as model_cents,
        round(customer_repeats.net_cents / (customer_repeats.age_days + 1) * {{ holdout_days }}) as past_cents,
        coalesce(season_sales.net_cents, 0) as season_cents
    from customer_repeats
    inner join customer_expectations
        on customer_repeats.customer_id = customer_expectations.customer_id
    left join holdout_sales
        on customer_repeats.customer_id = holdout_sales.customer_id
    left join season_sales
        on customer_repeats.customer_id = season_sales.customer_id
    where customer_expectations.expected_net_cents is not null

),

forecasts as (

    select
        'bg_nbd_gamma_gamma' as forecaster,
        customer_id,
        is_new,
        actual_cents,
        model_cents as forecast_cents
    from forecast_customers
    union all
    select
        'past_spend' as forecaster,
        customer_id,
        is_new,
        actual_cents,
        past_cents as forecast_cents
    from forecast_customers
    union all
    select
        'seasonal_naive' as forecaster,
        customer_id,
        is_new,
        actual_cents,
        season_cents as forecast_cents
    from forecast_customers

),

-- Equals share the mean of their ranks.
ranked as (

    select
        forecaster,
        is_new,
        actual_cents,
        forecast_cents,
        rank() over (
            partition by forecaster
            order by actual_cents
        ) + (count(*) over (partition by forecaster, actual_cents) - 1) / cast(2 as double) as actual_rank,
        rank() over (
            partition by forecaster
            order by forecast_cents
        ) + (count(*) over (partition by forecaster, forecast_cents) - 1) / cast(2 as double) as forecast_rank
    from forecasts

),

errors as (

    select
        forecaster,
        count(*) as customers,
        sum(actual_cents) as actual_cents,
        sum(forecast_cents) as forecast_cents,
        sum(abs(forecast_cents - actual_cents)) as absolute_cents,
        sum(power(forecast_cents / 100 - actual_cents / 100, 2)) as squares,
        sum(case when is_new then 1 else 0 end) as new_customers,
        sum(case when is_new then actual_cents else 0 end) as new_actual_cents,
        sum(case when is_new then forecast_cents else 0 end) as new_forecast_cents,
        sum(case when is_new then abs(forecast_cents - actual_cents) else 0 end) as new_absolute_cents,
        corr(forecast_rank, actual_rank) as rank_correlation
    from ranked
    group by forecaster

)

select
    {{ last_date() }} as as_of_date,
    {{ last_date(-holdout_days) }} as forecast_from,
    errors.forecaster,
    case
        when errors.forecaster = 'seasonal_naive'
            then {{ days_between('seasons.after_date', last_date(-holdout_days)) }}
    end as season_days,
    errors.customers,
    cast(errors.actual_cents / 100 as decimal(18, 2)) as actual_net_sales,
    cast(errors.forecast_cents / 100 as decimal(18, 2)) as forecast_net_sales,
    round(errors.forecast_cents / nullif(errors.actual_cents, 0) - 1, 6) as total_bias,
    round(errors.absolute_cents / 100 / errors.customers, 2) as mean_absolute_error,
    round(sqrt(errors.squares / errors.customers), 2) as root_mean_squared_error,
    case when not isnan(errors.rank_correlation) then round(errors.rank_correlation, 6) end as rank_correlation,
    cast(errors.new_customers as bigint) as new_customers,
    cast(errors.new_actual_cents / 100 as decimal(18, 2)) as new_actual_net_sales,
    cast(errors.new_forecast_cents / 100 as decimal(18, 2)) as new_forecast_net_sales,
    round(errors.new_forecast_cents / nullif(errors.new_actual_cents, 0) - 1, 6) as new_total_bias,
    round(errors.new_absolute_cents / 100 / nullif(errors.new_customers, 0), 2) as new_mean_absolute_error
from errors
cross join seasons

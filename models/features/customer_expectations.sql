{{ config(materialized='table') }}

with customer_repeats as (

    select * from {{ ref('customer_repeats') }}

),

-- Python models hand over timestamps.
value_parameters as (

    select
        *,
        cast(as_of_date as date) as fitted_on
    from {{ ref('value_parameters') }}

),

pattern_expectations as (

    select
        *,
        cast(as_of_date as date) as fitted_on
    from {{ ref('pattern_expectations') }}

),

joined as (

    select
        customer_repeats.as_of_date,
        customer_repeats.horizon_days,
        customer_repeats.customer_id,
        customer_repeats.repeats,
        customer_repeats.repeat_net_exact,
        pattern_expectations.probability_alive,
        pattern_expectations.expected_order_days,
        value_parameters.failure,
        value_parameters.spend_failure,
        value_parameters.p,
        value_parameters.gamma,
        -- The weight of what is known of a customer; not above 0 where the mean of all customers has no limit.
        value_parameters.p * customer_repeats.repeats + value_parameters.q - 1 as spend_weight
    from customer_repeats
    left join value_parameters
        on customer_repeats.as_of_date = value_parameters.fitted_on
    left join pattern_expectations
        on
            customer_repeats.as_of_date = pattern_expectations.fitted_on
            and customer_repeats.repeats = pattern_expectations.repeats
            and customer_repeats.recency_days = pattern_expectations.recency_days
            and customer_repeats.age_days = pattern_expectations.age_days

),

explained as (

    select
        *,
        case
            when failure is not null then 'orders: ' || failure
            when expected_order_days is null then 'orders: the expectation is no finite number'
            when spend_failure is not null then 'spend: ' || spend_failure
            when repeats > 0 and repeat_net_exact <= 0 then 'spend: no positive net sales in the repeat orders'
            when spend_weight <= 0 then 'spend: the mean over customers has no limit'
        end as missing_because
    from joined

),

-- The expected sales of an order day, given the mean of those so far (Fader and Hardie, 2013, equation 5).
expected as (

    select
        *,
        case when missing_because is null then p * (gamma + {{ from_exact('repeat_net_exact') }}) / spend_weight end
            as expected_sales_per_order_day
    from explained

)

select
    as_of_date,
    horizon_days,
    customer_id,
    repeats,
    round(probability_alive, 6) as probability_alive,
    round(expected_order_days, 6) as expected_order_days,
    round(expected_sales_per_order_day, 6) as expected_sales_per_order_day,
    round(expected_order_days * expected_sales_per_order_day * 100) as expected_net_cents,
    missing_because
from expected

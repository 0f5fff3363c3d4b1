{#- A select: how often and for how much customers came back up to a day (SQL), one row
    per customer with an order; horizon_days is how far ahead is looked from it. -#}
{% macro customer_repeats_on(day, horizon_days) -%}
with customers as (

    select * from {{ ref('customers') }}

),

customer_days as (

    select
        customer_id,
        activity_date,
        orders,
        net_exact
    from {{ ref('customer_days') }}
    where activity_date <= {{ day }}

),

totals as (

    select
        customer_days.customer_id,
        count(case when customer_days.orders > 0 then 1 end) as order_days,
        min(case when customer_days.orders > 0 then customer_days.activity_date end) as first_order_date,
        max(case when customer_days.orders > 0 then customer_days.activity_date end) as last_order_date,
        sum(customer_days.net_exact) as net_exact,
        min_by(
            customer_days.net_exact, case when customer_days.orders > 0 then customer_days.activity_date end
        ) as first_net_exact
    from customer_days
    group by customer_days.customer_id

)

select
    {{ day }} as as_of_date,
    {{ horizon_days }} as horizon_days,
    totals.customer_id,
    totals.order_days - 1 as repeats,
    {{ days_between('totals.first_order_date', 'totals.last_order_date') }} as recency_days,
    {{ days_between('totals.first_order_date', day) }} as age_days,
    totals.net_exact,
    -- Whoever has not come back has no repeat orders, even with money given back later.
    case when totals.order_days > 1 then totals.net_exact - totals.first_net_exact else 0 end as repeat_net_exact
from totals
inner join customers
    on totals.customer_id = customers.customer_id
where
    totals.order_days > 0
    and (customers.closed_date is null or customers.closed_date > {{ day }})
{%- endmacro %}

{#- A select: the rows of `repeats` with customers who came back alike counted. -#}
{% macro patterns_of(repeats) -%}
select
    as_of_date,
    horizon_days,
    repeats,
    recency_days,
    age_days,
    count(*) as customers
from {{ repeats }}
group by
    as_of_date,
    horizon_days,
    repeats,
    recency_days,
    age_days
{%- endmacro %}

{#- A select: what is expected of customers, one row per row of `repeats`, by the
    parameters fitted on its day and what is expected of customers who came back alike. -#}
{% macro expectations_of(repeats, parameters, patterns) -%}
with customer_repeats as (

    select * from {{ repeats }}

),

-- Python models hand over timestamps.
value_parameters as (

    select
        *,
        cast(as_of_date as date) as fitted_on
    from {{ parameters }}

),

pattern_expectations as (

    select
        *,
        cast(as_of_date as date) as fitted_on
    from {{ patterns }}

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
{%- endmacro %}

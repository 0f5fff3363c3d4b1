with customer_days as (

    select * from {{ ref('customer_days') }}
    where
        activity_date > {{ last_date(-365) }}
        and activity_date <= {{ last_date() }}
        and costed_exact is not null

),

fct_customer_features as (

    select * from {{ ref('fct_customer_features') }}

),

customer_expectations as (

    select * from {{ ref('customer_expectations') }}
    where as_of_date = {{ last_date() }}

),

margins as (

    select
        customer_id,
        sum(costed_exact) as costed_exact,
        sum(costed_exact - cost_exact) as margin_exact
    from customer_days
    group by customer_id

)

select
    fct_customer_features.as_of_date,
    fct_customer_features.customer_id,
    fct_customer_features.net_sales_365d,
    fct_customer_features.net_sales_lifetime,
    {{ money('margins.costed_exact') }} as costed_net_sales_365d,
    {{ money('margins.margin_exact') }} as margin_365d,
    customer_expectations.repeats as repeat_order_days,
    customer_expectations.probability_alive,
    customer_expectations.expected_order_days as expected_order_days_180d,
    customer_expectations.expected_sales_per_order_day,
    cast(customer_expectations.expected_net_cents / 100 as decimal(18, 2)) as expected_net_sales_180d,
    case
        when customer_expectations.customer_id is null then 'no order yet'
        else customer_expectations.missing_because
    end as missing_because
from fct_customer_features
left join customer_expectations
    on fct_customer_features.customer_id = customer_expectations.customer_id
left join margins
    on fct_customer_features.customer_id = margins.customer_id

with value_parameters as (

    select * from {{ ref('value_parameters') }}
    union all
    select * from {{ ref('backtest_parameters') }}

)

select
    cast(as_of_date as date) as as_of_date,
    customers,
    round(r, 6) as r,
    round(alpha, 6) as alpha,
    round(a, 6) as a,
    round(b, 6) as b,
    round(log_likelihood, 3) as log_likelihood,
    failure is null as is_fitted,
    failure,
    note,
    spend_customers,
    round(p, 6) as p,
    round(q, 6) as q,
    round(gamma, 6) as gamma,
    round(spend_log_likelihood, 3) as spend_log_likelihood,
    spend_failure is null as is_spend_fitted,
    spend_failure
from value_parameters

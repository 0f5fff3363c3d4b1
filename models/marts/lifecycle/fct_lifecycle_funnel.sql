{%- set stages = ['prospect', 'customer', 'repeat_customer', 'regular', 'advocate'] -%}

with stage_names as (
    {%- for stage in stages %}
    select
        {{ loop.index }} as stage_position,
        '{{ stage }}' as stage
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

order_days as (

    select
        customer_id,
        activity_date,
        sum(orders) over (partition by customer_id order by activity_date) as orders_so_far
    from {{ ref('customer_days') }}
    where
        activity_date <= {{ last_date() }}
        and orders > 0

),

customers as (

    select * from {{ ref('customers') }}

),

responses as (

    select * from {{ ref('responses') }}
    where response_date <= {{ last_date() }}

),

buyers as (

    select
        customer_id,
        min(activity_date) as customer_on,
        min(case when orders_so_far >= 2 then activity_date end) as repeat_customer_on,
        min(case when orders_so_far >= {{ var('regular_orders') }} then activity_date end) as regular_on
    from order_days
    group by customer_id

),

advocates as (

    select
        buyers.customer_id,
        min(responses.response_date) as advocate_on
    from buyers
    inner join responses
        on
            buyers.customer_id = responses.customer_id
            and buyers.regular_on <= responses.response_date
    group by buyers.customer_id

),

-- Those who have closed since are among them: a funnel of those who stayed would flatter.
seen as (

    select
        customers.customer_id,
        least(customers.first_seen_date, buyers.customer_on) as prospect_on,
        buyers.customer_on,
        buyers.repeat_customer_on,
        buyers.regular_on,
        advocates.advocate_on
    from customers
    left join buyers
        on customers.customer_id = buyers.customer_id
    left join advocates
        on customers.customer_id = advocates.customer_id
    where least(customers.first_seen_date, buyers.customer_on) <= {{ last_date() }}

),

steps as (
    {%- for stage in stages %}
    select
        {{ month_of('prospect_on') }} as cohort_month,
        {{ loop.index }} as stage_position,
        '{{ stage }}' as stage,
        {{ days_between('prospect_on', stage ~ '_on') }} as days_to_reach,
        {{ days_between('prospect_on', last_date()) }} as days_known
    from seen
    where {{ stage }}_on is not null
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

-- The last one is without end: whoever reached a stage until the as-of date.
follow_ups as (
    {%- for days in var('follow_up_days') %}
    select
        cast({{ days }} as bigint) as follow_up_days,
        {{ days }} as least_days_known,
        {{ days }} as most_days_to_reach
    union all
    {%- endfor %}
    select
        cast(null as bigint) as follow_up_days,
        0 as least_days_known,
        1000000 as most_days_to_reach

),

reached as (

    select
        steps.cohort_month,
        follow_ups.follow_up_days,
        follow_ups.least_days_known,
        steps.stage_position,
        steps.stage,
        count(*) as customers,
        median(steps.days_to_reach) as median_days_to_reach
    from steps
    cross join follow_ups
    where
        steps.days_known >= follow_ups.least_days_known
        and steps.days_to_reach <= follow_ups.most_days_to_reach
    group by
        steps.cohort_month,
        follow_ups.follow_up_days,
        follow_ups.least_days_known,
        steps.stage_position,
        steps.stage

),

-- Every stage, also one that nobody reached. Everybody reaches the first.
cells as (

    select
        first_stage.cohort_month,
        first_stage.follow_up_days,
        first_stage.least_days_known,
        first_stage.customers as observed_customers,
        stage_names.stage_position,
        stage_names.stage,
        coalesce(reached.customers, 0) as customers,
        reached.median_days_to_reach
    from reached as first_stage
    cross join stage_names
    left join reached
        on
            first_stage.cohort_month = reached.cohort_month
            and first_stage.least_days_known = reached.least_days_known
            and stage_names.stage_position = reached.stage_position
    where first_stage.stage_position = 1

),

compared as (

    select
        *,
        coalesce(
            lag(customers) over (partition by cohort_month, least_days_known order by stage_position), customers
        ) as customers_before
    from cells

)

select
    {{ last_date() }} as as_of_date,
    cohort_month,
    follow_up_days,
    {{ add_days('last_day(cohort_month)', 'least_days_known') }} <= {{ last_date() }} as is_complete,
    cohort_month <= (
        select {{ month_of('min(order_days.activity_date)') }}
        from order_days
    ) as has_unknown_past,
    cast(stage_position as bigint) as stage_position,
    stage,
    observed_customers,
    customers,
    customers / cast(observed_customers as double) as rate_from_start,
    {{ wilson_bound('customers', 'observed_customers', '-') | indent(4) }} as rate_from_start_lower,
    {{ wilson_bound('customers', 'observed_customers', '+') | indent(4) }} as rate_from_start_upper,
    customers / nullif(cast(customers_before as double), 0) as rate_from_previous,
    {{ wilson_bound('customers', 'customers_before', '-') | indent(4) }} as rate_from_previous_lower,
    {{ wilson_bound('customers', 'customers_before', '+') | indent(4) }} as rate_from_previous_upper,
    cast(median_days_to_reach as double) as median_days_to_reach
from compared

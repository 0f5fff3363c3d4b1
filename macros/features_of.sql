{#- The whole of customer_features and of its history: measures with ages, scores and
    attributes. `measures` names the model that has the measures. -#}
{% macro features_of(measures) -%}
with customer_measures as (

    select * from {{ ref(measures) }}

),

score_cut_points as (

    select * from {{ ref('score_cut_points') }}

),

customers as (

    select * from {{ ref('customers') }}

),

aged as (

    select
        customer_measures.*,
        {{ days_between('first_seen_date', 'as_of_date') }} as tenure_days,
        {{ days_between('last_order_date', 'as_of_date') }} as days_since_last_order,
        {{ days_between('first_order_date', 'as_of_date') }} as days_since_first_order,
        {{ days_between('last_response_date', 'as_of_date') }} as days_since_last_response
    from customer_measures

),

scored as (

    select
        -- keys
        aged.as_of_date,
        aged.customer_id,

        -- dates
        aged.first_seen_date,
        aged.first_order_date,
        aged.last_order_date,
        aged.last_response_date,

        -- ages
        aged.tenure_days,
        aged.days_since_last_order,
        aged.days_since_first_order,
        aged.days_since_last_response,

        -- lifetime
        aged.orders_lifetime,
        aged.net_sales_lifetime,
        {% for n in trailing_windows() %}

        -- trailing {{ n }} days
        aged.orders_{{ n }}d,
        aged.returns_{{ n }}d,
        aged.units_{{ n }}d,
        aged.net_sales_{{ n }}d,
        aged.discounts_{{ n }}d,
        aged.active_days_{{ n }}d,
        {% endfor %}

        -- shares and rhythm
        aged.average_order_value_365d,
        aged.discount_share_365d,
        aged.coupon_share_365d,
        aged.private_label_share_365d,
        aged.return_share_365d,
        aged.median_days_between_orders,
        aged.longest_pause_90d,

        -- categories
        aged.categories_365d,
        aged.top_category_365d,
        aged.top_category_share_365d,

        -- campaigns
        aged.contacts_365d,
        aged.responses_365d,

        -- scores
        {%- for name, value in score_values('aged').items() %}
        case when aged.orders_365d > 0 then {{ score(name, value) }} end as {{ name }}_score,
        {%- endfor %}

        -- attributes
        customers.customer_type,
        customers.age_band,
        customers.income_band,
        customers.household_size,
        customers.household_composition,
        customers.home_ownership,
        customers.marital_status,
        customers.kids_count
    from aged
    inner join customers
        on aged.customer_id = customers.customer_id
    left join score_cut_points
        on aged.as_of_date = score_cut_points.as_of_date

)

select * from scored
{%- endmacro %}

with customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date = {{ last_date() }}

)

select
    as_of_date,
    customer_id,
    first_seen_date,
    first_order_date,
    last_order_date,
    last_response_date,
    tenure_days,
    days_since_last_order,
    days_since_first_order,
    days_since_last_response,
    orders_lifetime,
    {{ money(exact('net_sales_lifetime')) }} as net_sales_lifetime,
    {%- for n in trailing_windows() %}
    orders_{{ n }}d,
    returns_{{ n }}d,
    units_{{ n }}d,
    {{ money(exact('net_sales_' ~ n ~ 'd')) }} as net_sales_{{ n }}d,
    {{ money(exact('discounts_' ~ n ~ 'd')) }} as discounts_{{ n }}d,
    active_days_{{ n }}d,
    {%- endfor %}
    average_order_value_365d,
    discount_share_365d,
    coupon_share_365d,
    private_label_share_365d,
    return_share_365d,
    median_days_between_orders,
    longest_pause_90d,
    categories_365d,
    top_category_365d,
    top_category_share_365d,
    contacts_365d,
    responses_365d,
    recency_score,
    frequency_score,
    monetary_score,
    customer_type,
    age_band,
    income_band,
    household_size,
    household_composition,
    home_ownership,
    marital_status,
    kids_count
from customer_features

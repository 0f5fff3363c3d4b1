{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ forget('as_of_date') }}"
) }}

with run_days as (
    {{ run_days() }}

),

customers as (

    select * from {{ ref('customers') }}

),

customer_category_days as (

    select *
    from {{ ref('customer_category_days') }}
    where
        activity_date <= {{ last_date() }}
        and activity_date > {{ first_date(-365) }}

),

contacts as (

    select * from {{ ref('contacts') }}

),

responses as (

    select * from {{ ref('responses') }}

),

{% for n in trailing_windows() -%}
activity_{{ n }}d as (

    {{ activity_window(n) }}

),

{% endfor -%}

order_days as (

    select
        customer_id,
        activity_date,
        orders,
        net_cents,
        {{ days_between(
            'lag(activity_date) over (partition by customer_id order by activity_date)', 'activity_date'
        ) }} as days_between_orders
    from {{ ref('customer_days') }}
    where activity_date <= {{ last_date() }}

),

lifetime as (

    select
        run_days.as_of_date,
        order_days.customer_id,
        min(order_days.activity_date) as first_order_date,
        max(order_days.activity_date) as last_order_date,
        cast(sum(cast(order_days.orders as double)) as bigint) as orders,
        sum(order_days.net_cents) as net_cents,
        cast(median(order_days.days_between_orders) as double) as median_days_between_orders,
        -- The longest time without an order that an order of the last 90 days ended.
        max(case when order_days.activity_date > run_days.after_90d then order_days.days_between_orders end)
            as longest_pause_90d
    from run_days
    inner join order_days
        on run_days.as_of_date >= order_days.activity_date
    group by
        run_days.as_of_date,
        order_days.customer_id

),

-- What somebody buys changes on days of activity and on days when activity
-- leaves the window; between them the categories stay as they are.
category_turns as (

    select
        customer_id,
        {{ first_date() }} as turned_on
    from customer_category_days
    group by customer_id
    {% if run_window().days > 1 %}
    union
    select
        customer_id,
        activity_date as turned_on
    from customer_category_days
    where activity_date > {{ first_date() }}
    union
    select
        customer_id,
        {{ add_days('activity_date', 365) }} as turned_on
    from customer_category_days
    where
        {{ add_days('activity_date', 365) }} > {{ first_date() }}
        and {{ add_days('activity_date', 365) }} <= {{ last_date() }}
    {% endif %}

),

category_sales as (

    {% if run_window().days > 1 -%}
    select
        category_turns.customer_id,
        category_turns.turned_on,
        customer_category_days.category,
        sum(customer_category_days.net_cents) as net_cents
    from category_turns
    inner join customer_category_days
        on
            category_turns.customer_id = customer_category_days.customer_id
            and category_turns.turned_on >= customer_category_days.activity_date
            and {{ add_days('category_turns.turned_on', -365) }} < customer_category_days.activity_date
    where customer_category_days.category is not null
    group by
        category_turns.customer_id,
        category_turns.turned_on,
        customer_category_days.category
    {%- else -%}
    -- One day has one window, the one that customer_category_days is read for.
    select
        customer_id,
        {{ first_date() }} as turned_on,
        category,
        sum(net_cents) as net_cents
    from customer_category_days
    where category is not null
    group by
        customer_id,
        category
    {%- endif %}

),

category_totals as (

    select
        customer_id,
        turned_on,
        count(*) as categories,
        max(net_cents) as top_category_cents
    from category_sales
    group by
        customer_id,
        turned_on

),

top_categories as (

    select
        category_totals.customer_id,
        category_totals.turned_on,
        min(category_totals.categories) as categories,
        min(category_totals.top_category_cents) as top_category_cents,
        min(category_sales.category) as top_category
    from category_totals
    inner join category_sales
        on
            category_totals.customer_id = category_sales.customer_id
            and category_totals.turned_on = category_sales.turned_on
            and category_totals.top_category_cents = category_sales.net_cents
    group by
        category_totals.customer_id,
        category_totals.turned_on

),

tastes as (

    {% if run_window().days > 1 -%}
    select
        category_turns.customer_id,
        category_turns.turned_on,
        top_categories.categories,
        top_categories.top_category,
        top_categories.top_category_cents,
        coalesce(
            lead(category_turns.turned_on) over (
                partition by category_turns.customer_id order by category_turns.turned_on
            ),
            cast('9999-12-31' as date)
        ) as next_turn_on
    from category_turns
    left join top_categories
        on
            category_turns.customer_id = top_categories.customer_id
            and category_turns.turned_on = top_categories.turned_on
    {%- else -%}
    select * from top_categories
    {%- endif %}

),

contacted as (

    select
        run_days.as_of_date,
        contacts.customer_id,
        count(*) as contacts_365d
    from run_days
    inner join contacts
        on
            run_days.after_365d < contacts.contact_date
            and run_days.as_of_date >= contacts.contact_date
    group by
        run_days.as_of_date,
        contacts.customer_id

),

responded as (

    select
        run_days.as_of_date,
        responses.customer_id,
        max(responses.response_date) as last_response_date,
        count(case when responses.response_date > run_days.after_365d then 1 end) as responses_365d
    from run_days
    inner join responses
        on run_days.as_of_date >= responses.response_date
    group by
        run_days.as_of_date,
        responses.customer_id

),

measured as (

    select
        run_days.as_of_date,
        customers.customer_id,

        -- dates
        least(customers.first_seen_date, lifetime.first_order_date) as first_seen_date,
        lifetime.first_order_date,
        lifetime.last_order_date,
        responded.last_response_date,

        -- lifetime
        coalesce(lifetime.orders, 0) as orders_lifetime,
        coalesce(lifetime.net_cents, 0) / 100 as net_sales_lifetime,
        {% for n in trailing_windows() %}

        -- trailing {{ n }} days
        coalesce(activity_{{ n }}d.orders, 0) as orders_{{ n }}d,
        coalesce(activity_{{ n }}d.units, 0) as units_{{ n }}d,
        coalesce(activity_{{ n }}d.net_cents, 0) / 100 as net_sales_{{ n }}d,
        coalesce(activity_{{ n }}d.discount_cents, 0) / 100 as discounts_{{ n }}d,
        coalesce(activity_{{ n }}d.active_days, 0) as active_days_{{ n }}d,
        {% endfor %}

        -- shares and rhythm
        activity_365d.net_cents / 100 / nullif(activity_365d.orders, 0) as average_order_value_365d,
        activity_365d.discount_cents
        / nullif(activity_365d.net_cents + activity_365d.discount_cents, 0) as discount_share_365d,
        activity_365d.coupon_cents / nullif(activity_365d.net_cents, 0) as coupon_share_365d,
        activity_365d.private_label_cents / nullif(activity_365d.net_cents, 0) as private_label_share_365d,
        lifetime.median_days_between_orders,
        lifetime.longest_pause_90d,

        -- categories
        coalesce(tastes.categories, 0) as categories_365d,
        tastes.top_category as top_category_365d,
        tastes.top_category_cents / nullif(activity_365d.net_cents, 0) as top_category_share_365d,

        -- campaigns
        coalesce(contacted.contacts_365d, 0) as contacts_365d,
        coalesce(responded.responses_365d, 0) as responses_365d
    from customers
    cross join run_days
    left join lifetime
        on
            customers.customer_id = lifetime.customer_id
            and run_days.as_of_date = lifetime.as_of_date
    {% for n in trailing_windows() %}
    left join activity_{{ n }}d
        on
            customers.customer_id = activity_{{ n }}d.customer_id
            and run_days.as_of_date = activity_{{ n }}d.as_of_date
    {% endfor %}
    left join tastes
        on
            customers.customer_id = tastes.customer_id
            {%- if run_window().days > 1 %}
            and run_days.as_of_date >= tastes.turned_on
            and run_days.as_of_date < tastes.next_turn_on
            {%- endif %}
    left join contacted
        on
            customers.customer_id = contacted.customer_id
            and run_days.as_of_date = contacted.as_of_date
    left join responded
        on
            customers.customer_id = responded.customer_id
            and run_days.as_of_date = responded.as_of_date
    where
        least(customers.first_seen_date, lifetime.first_order_date) <= run_days.as_of_date
        and (customers.closed_date is null or customers.closed_date > run_days.as_of_date)

)

select * from measured

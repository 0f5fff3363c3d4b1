{#- The common table expressions that measure customers on given days. They read
    `turns` (customer_id, turned_on), whose days lie between the dates first and last
    (SQL) and are all the same one unless many_days; the last, `measured`, has a row per
    turn: customer_id, turned_on, closed_date and the measure_columns. -#}
{% macro measures_at_turns(first, last, many_days) -%}
{% for n in trailing_windows() -%}
activity_{{ n }}d as (

    {{ activity_window(n, first, last, many_days) }}

),

repeated_returns_{{ n }}d as (

    {{ repeated_returns_window(n, first, last, many_days) }}

),

{% endfor -%}

turned_customers as (

    select distinct customer_id
    from turns

),

order_days as (

    select
        customer_days.customer_id,
        customer_days.activity_date,
        case when customer_days.orders > 0 then customer_days.activity_date end as order_date,
        customer_days.orders,
        customer_days.net_exact,
        -- Days with money alone, such as those of returns, are no order days: they are apart from these.
        case
            when customer_days.orders > 0
                then
                    {{ days_between(
                        'lag(customer_days.activity_date) over (
                        partition by customer_days.customer_id, customer_days.orders > 0
                        order by customer_days.activity_date
                    )', 'customer_days.activity_date'
                    ) }}
        end as days_between_orders
    from turned_customers
    inner join {{ ref('customer_days') }} as customer_days
        on turned_customers.customer_id = customer_days.customer_id
    where customer_days.activity_date <= {{ last }}

),

lifetime as (

    select
        turns.customer_id,
        turns.turned_on,
        min(order_days.order_date) as first_order_date,
        max(order_days.order_date) as last_order_date,
        cast(sum(cast(order_days.orders as double)) as bigint) as orders,
        sum(order_days.net_exact) as net_exact,
        cast(median(order_days.days_between_orders) as double) as median_days_between_orders,
        -- The longest time without an order that an order of the last 90 days ended.
        max(
            case
                when order_days.activity_date > {{ add_days('turns.turned_on', -90) }}
                    then order_days.days_between_orders
            end
        ) as longest_pause_90d
    from turns
    inner join order_days
        on
            turns.customer_id = order_days.customer_id
            {{ up_to_the_turn('order_days.activity_date', none, many_days) }}
    group by
        turns.customer_id,
        turns.turned_on

),

{% if many_days -%}
-- What somebody buys changes on days of activity and on days when activity leaves the
-- window; at other turns the categories stay as they are.
category_turns as (

    select
        customer_id,
        min(turned_on) as turned_on
    from turns
    group by customer_id
    {%- for n in [0, 365] %}
    union
    select
        turns.customer_id,
        turns.turned_on
    from turns
    inner join {{ ref('customer_category_days') }} as category_days
        on
            turns.customer_id = category_days.customer_id
            and turns.turned_on = {{ add_days('category_days.activity_date', n) }}
    {%- endfor %}

),

{% endif -%}
category_sales as (

    select
        turns.customer_id,
        turns.turned_on,
        category_days.category,
        sum(category_days.sales_exact) as sales_exact
    from {{ 'category_turns' if many_days else 'turns' }} as turns
    inner join {{ ref('customer_category_days') }} as category_days
        on
            turns.customer_id = category_days.customer_id
            {{ up_to_the_turn('category_days.activity_date', 365, many_days) }}
    where
        category_days.activity_date > {{ add_days(first, -365) }}
        and category_days.activity_date <= {{ last }}
        and category_days.category is not null
        and category_days.sale_lines > 0
    group by
        turns.customer_id,
        turns.turned_on,
        category_days.category

),

category_totals as (

    select
        customer_id,
        turned_on,
        count(*) as categories,
        max(sales_exact) as top_category_exact
    from category_sales
    group by
        customer_id,
        turned_on

),

{{ 'top_categories' if many_days else 'tastes' }} as (

    select
        category_totals.customer_id,
        category_totals.turned_on,
        min(category_totals.categories) as categories,
        min(category_totals.top_category_exact) as top_category_exact,
        min(category_sales.category) as top_category
    from category_totals
    inner join category_sales
        on
            category_totals.customer_id = category_sales.customer_id
            and category_totals.turned_on = category_sales.turned_on
            and category_totals.top_category_exact = category_sales.sales_exact
    group by
        category_totals.customer_id,
        category_totals.turned_on

),

{% if many_days -%}
tastes as (

    select
        category_turns.customer_id,
        category_turns.turned_on,
        top_categories.categories,
        top_categories.top_category,
        top_categories.top_category_exact,
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

),

{% endif -%}
contacted as (

    select
        turns.customer_id,
        turns.turned_on,
        count(*) as contacts_365d
    from turns
    inner join {{ ref('contacts') }} as contacts
        on
            turns.customer_id = contacts.customer_id
            {{ up_to_the_turn('contacts.contact_date', 365, many_days) }}
    where
        contacts.contact_date > {{ add_days(first, -365) }}
        and contacts.contact_date <= {{ last }}
    group by
        turns.customer_id,
        turns.turned_on

),

responded as (

    select
        turns.customer_id,
        turns.turned_on,
        max(responses.response_date) as last_response_date,
        count(
            case when responses.response_date > {{ add_days('turns.turned_on', -365) }} then 1 end
        ) as responses_365d
    from turns
    inner join {{ ref('responses') }} as responses
        on
            turns.customer_id = responses.customer_id
            {{ up_to_the_turn('responses.response_date', none, many_days) }}
    where responses.response_date <= {{ last }}
    group by
        turns.customer_id,
        turns.turned_on

),

measured as (

    select
        turns.customer_id,
        turns.turned_on,
        customers.closed_date,

        -- dates
        least(customers.first_seen_date, lifetime.first_order_date) as first_seen_date,
        lifetime.first_order_date,
        lifetime.last_order_date,
        responded.last_response_date,

        -- lifetime
        coalesce(lifetime.orders, 0) as orders_lifetime,
        {{ from_exact('coalesce(lifetime.net_exact, 0)') }} as net_sales_lifetime,
        {% for n in trailing_windows() %}

        -- trailing {{ n }} days
        coalesce(activity_{{ n }}d.orders, 0) as orders_{{ n }}d,
        coalesce(activity_{{ n }}d.returns, 0) + coalesce(repeated_returns_{{ n }}d.returns, 0) as returns_{{ n }}d,
        {{ from_exact('coalesce(activity_' ~ n ~ 'd.units_exact, 0)') }} as units_{{ n }}d,
        {{ from_exact('coalesce(activity_' ~ n ~ 'd.net_exact, 0)') }} as net_sales_{{ n }}d,
        {{ from_exact(once_delivered('discounts', 'activity_' ~ n ~ 'd.discount_exact')) }} as discounts_{{ n }}d,
        coalesce(activity_{{ n }}d.active_days, 0) as active_days_{{ n }}d,
        {% endfor %}

        -- shares and rhythm
        {{ from_exact('activity_365d.sales_exact') }} / nullif(activity_365d.orders, 0) as average_order_value_365d,
        {{ once_delivered('discounts', 'activity_365d.discount_exact') }}
        / nullif(activity_365d.sales_exact + coalesce(activity_365d.discount_exact, 0), 0) as discount_share_365d,
        {{ once_delivered('coupons', 'activity_365d.coupon_exact') }}
        / nullif(activity_365d.sales_exact, 0) as coupon_share_365d,
        {{ once_delivered('private_labels', 'activity_365d.private_label_exact') }}
        / nullif(activity_365d.sales_exact, 0) as private_label_share_365d,
        -- Net amounts are sales less returns.
        (activity_365d.sales_exact - activity_365d.net_exact)
        / nullif(activity_365d.sales_exact, 0) as return_share_365d,
        lifetime.median_days_between_orders,
        lifetime.longest_pause_90d,

        -- categories
        {{ once_delivered('categories', 'tastes.categories') }} as categories_365d,
        tastes.top_category as top_category_365d,
        tastes.top_category_exact / nullif(activity_365d.sales_exact, 0) as top_category_share_365d,

        -- campaigns
        {{ once_delivered('contacts', 'contacted.contacts_365d') }} as contacts_365d,
        {{ once_delivered('responses', 'responded.responses_365d') }} as responses_365d
    from turns
    inner join {{ ref('customers') }} as customers
        on turns.customer_id = customers.customer_id
    cross join {{ ref('first_deliveries') }} as first_deliveries
    left join lifetime
        on
            turns.customer_id = lifetime.customer_id
            and turns.turned_on = lifetime.turned_on
    {% for n in trailing_windows() %}
    left join activity_{{ n }}d
        on
            turns.customer_id = activity_{{ n }}d.customer_id
            and turns.turned_on = activity_{{ n }}d.turned_on
    left join repeated_returns_{{ n }}d
        on
            turns.customer_id = repeated_returns_{{ n }}d.customer_id
            and turns.turned_on = repeated_returns_{{ n }}d.turned_on
    {% endfor %}
    left join tastes
        on
            turns.customer_id = tastes.customer_id
            {%- if many_days %}
            and turns.turned_on >= tastes.turned_on
            and turns.turned_on < tastes.next_turn_on
            {%- endif %}
    left join contacted
        on
            turns.customer_id = contacted.customer_id
            and turns.turned_on = contacted.turned_on
    left join responded
        on
            turns.customer_id = responded.customer_id
            and turns.turned_on = responded.turned_on

)
{%- endmacro %}

{#- How customers are measured on a day: a hash of the SQL, and a digit for each of the
    optional_facts, 1 from the day on that it was first delivered. What was measured
    otherwise is not carried on. Reads first_deliveries. -#}
{% macro measures_version(date) -%}
    '{{ local_md5(measures_at_turns('first', 'last', true))[:12] }}-'
    {%- for fact in optional_facts() %}
    || case when first_deliveries.{{ fact }}_on <= {{ date }} then '1' else '0' end
    {%- endfor %}
{%- endmacro %}

{#- The part of a join's condition that a date lies in the n days (all days where n is
    none) up to a turn. Of a single day the first and last dates of the query say so,
    and the join, on customers alone, is cheaper. -#}
{% macro up_to_the_turn(date, n, many_days) -%}
    {%- if many_days -%}
    and turns.turned_on >= {{ date }}
    {%- if n %}
            and {{ add_days('turns.turned_on', -n) }} < {{ date }}
    {%- endif %}
    {%- endif -%}
{%- endmacro %}

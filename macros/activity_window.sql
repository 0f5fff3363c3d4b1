{#- A select: what each customer of `turns` did in the n days up to and including
    each turn, of the columns of customer_days. Amounts and units are exact. The arguments
    are those of measures_at_turns. -#}
{% macro activity_window(n, first, last, many_days) -%}
    select
        turns.customer_id,
        turns.turned_on,
        cast(sum(cast(customer_days.orders as double)) as bigint) as orders,
        cast(sum(cast(customer_days.returns as double)) as bigint) as returns,
        sum(customer_days.net_exact) as net_exact,
        sum(customer_days.sales_exact) as sales_exact,
        sum(customer_days.units_exact) as units_exact,
        sum(customer_days.discount_exact) as discount_exact,
        sum(customer_days.coupon_exact) as coupon_exact,
        sum(customer_days.private_label_exact) as private_label_exact,
        count(case when customer_days.orders > 0 then 1 end) as active_days
    from turns
    inner join {{ ref('customer_days') }} as customer_days
        on
            turns.customer_id = customer_days.customer_id
            {{ up_to_the_turn('customer_days.activity_date', n, many_days) }}
    where
        customer_days.activity_date > {{ add_days(first, -n) }}
        and customer_days.activity_date <= {{ last }}
    group by
        turns.customer_id,
        turns.turned_on
{%- endmacro %}

{#- A select: the orders of which customers of `turns` returned something in the n days up to and including each turn, and
    before that on an earlier day that has left the window. customer_days counts an order on its first such day alone. -#}
{% macro repeated_returns_window(n, first, last, many_days) -%}
    select
        turns.customer_id,
        turns.turned_on,
        count(*) as returns
    from turns
    inner join {{ ref('repeated_returns') }} as repeated_returns
        on
            turns.customer_id = repeated_returns.customer_id
            and {{ add_days('turns.turned_on', -n) }} >= repeated_returns.previous_date
            {{ up_to_the_turn('repeated_returns.order_date', n, many_days) }}
    where
        repeated_returns.order_date > {{ add_days(first, -n) }}
        and repeated_returns.order_date <= {{ last }}
    group by
        turns.customer_id,
        turns.turned_on
{%- endmacro %}

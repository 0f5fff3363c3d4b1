{#- A select: what each customer of `turns` did in the n days up to and including
    each turn, of the columns of customer_days. Amounts are whole cents. The arguments
    are those of measures_at_turns. -#}
{% macro activity_window(n, first, last, many_days) -%}
    select
        turns.customer_id,
        turns.turned_on,
        cast(sum(cast(customer_days.orders as double)) as bigint) as orders,
        cast(sum(cast(customer_days.units as double)) as bigint) as units,
        sum(customer_days.net_cents) as net_cents,
        sum(customer_days.discount_cents) as discount_cents,
        sum(customer_days.coupon_cents) as coupon_cents,
        sum(customer_days.private_label_cents) as private_label_cents,
        count(*) as active_days
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

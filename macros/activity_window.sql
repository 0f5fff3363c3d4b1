{#- A select: what each customer did in the n days up to and including each day
    of the run, of the columns of customer_days. Amounts are whole cents. -#}
{% macro activity_window(n) -%}
    select
        run_days.as_of_date,
        customer_days.customer_id,
        cast(sum(cast(customer_days.orders as double)) as bigint) as orders,
        cast(sum(cast(customer_days.units as double)) as bigint) as units,
        sum(customer_days.net_cents) as net_cents,
        sum(customer_days.discount_cents) as discount_cents,
        sum(customer_days.coupon_cents) as coupon_cents,
        sum(customer_days.private_label_cents) as private_label_cents,
        count(*) as active_days
    from run_days
    inner join {{ ref('customer_days') }} as customer_days
        on
            run_days.after_{{ n }}d < customer_days.activity_date
            and run_days.as_of_date >= customer_days.activity_date
    where
        customer_days.activity_date > {{ first_date(-n) }}
        and customer_days.activity_date <= {{ last_date() }}
    group by
        run_days.as_of_date,
        customer_days.customer_id
{%- endmacro %}

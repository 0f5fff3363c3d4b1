{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget_changed_days() }}"
) }}

-- What late rows change is logged before it is changed here.
-- depends_on: {{ ref('late_customer_days') }}

with transactions as (
    {{ lines_to_append() }}

),

products as (

    select * from {{ ref('products') }}

),

lines as (

    select
        transactions.customer_id,
        transactions.order_id,
        transactions.order_date as activity_date,
        {{ line_fingerprint() }} as fingerprint,
        not transactions.is_return as is_sale,
        transactions.is_first_day,
        products.is_private_label,
        transactions.cost_amount is not null as is_costed,
        {{ exact('transactions.units') }} as units,
        {{ exact('transactions.net_amount') }} as net,
        {{ exact('transactions.discount_amount') }} as discount,
        {{ exact('transactions.coupon_amount') }} as coupon,
        {{ exact('transactions.cost_amount') }} as line_cost
    from transactions
    left join products
        on transactions.product_id = products.product_id

),

-- Grouped twice: lines to orders, orders to days. Cheaper than count(distinct).
orders as (

    select
        customer_id,
        order_id,
        activity_date,
        count(*) as lines,
        sum(fingerprint) as fingerprint,
        -- An order counts on the day of its first sale, a return on that of the order's first return.
        max(case when is_sale and is_first_day then 1 else 0 end) as is_order,
        max(case when not is_sale and is_first_day then 1 else 0 end) as is_return,
        sum(net) as net,
        sum(case when is_sale then net else 0 end) as sales,
        sum(case when is_sale then units else 0 end) as units,
        sum(case when is_sale then discount end) as discount,
        sum(case when is_sale then coupon end) as coupon,
        sum(
            case
                when is_sale and is_private_label then net
                when is_sale and not is_private_label then 0
            end
        ) as private_label,
        sum(case when is_costed then net end) as costed,
        sum(line_cost) as line_cost
    from lines
    group by
        customer_id,
        order_id,
        activity_date

),

days as (

    select
        customer_id,
        activity_date,
        cast(sum(cast(lines as double)) as bigint) as lines,
        sum(fingerprint) as fingerprint,
        cast(sum(cast(is_order as double)) as bigint) as orders,
        cast(sum(cast(is_return as double)) as bigint) as returns,
        sum(net) as net_exact,
        sum(sales) as sales_exact,
        sum(units) as units_exact,
        sum(discount) as discount_exact,
        sum(coupon) as coupon_exact,
        sum(private_label) as private_label_exact,
        sum(costed) as costed_exact,
        sum(line_cost) as cost_exact
    from orders
    group by
        customer_id,
        activity_date

)

select * from days

{#- A return may have negative discounts and costs, so their signs are checked for sales only. For a return, the amount
    paid back is checked, which is positive if net_amount is negative. -#}
{%- set amounts = ['units', 'discount_amount', 'coupon_amount', 'cost_amount'] %}

with transactions as (

    select * from {{ ref('transactions') }}
    where
        order_date between {{ first_date(-56) }} and {{ last_date() }}
        -- Avoids reading the lines of older days.
        and ordered_at >= {{ first_date(-56) }}

),

products as (

    select distinct product_id
    from {{ ref('products') }}
    where category is not null

),

-- Rows that are equal in every column become one; the checks give the same answer for all of them.
distinct_lines as (

    select
        transactions.order_date,
        {{ row_hash([
            'transactions.source_system', 'transactions.customer_id', 'transactions.order_id',
            'transactions.product_id', 'transactions.ordered_at', 'transactions.is_return', 'transactions.units',
            'transactions.net_amount',
            'transactions.discount_amount', 'transactions.coupon_amount', 'transactions.cost_amount',
        ]) }} as line_hash,
        transactions.net_amount,
        case when transactions.is_return then 1 else 0 end as returned,
        case when products.product_id is null then 1 else 0 end as is_uncategorised,
        {%- for amount in amounts %}
        case
            when transactions.is_return or coalesce(transactions.{{ amount }}, 0) = 0 then 0
            when transactions.{{ amount }} < 0 then -1
            else 1
        end as {{ amount }}_sign,
        {%- endfor %}
        case
            when not transactions.is_return or transactions.net_amount = 0 then 0
            when transactions.net_amount > 0 then -1
            else 1
        end as returned_amount_sign,
        count(*) as lines
    from transactions
    left join products
        on transactions.product_id = products.product_id
    group by
        {%- for amount in amounts %}
        {{ amount }}_sign,
        {%- endfor %}
        returned_amount_sign,
        transactions.order_date,
        line_hash,
        transactions.net_amount,
        returned,
        is_uncategorised

)

select
    {%- for amount in amounts + ['returned_amount'] %}
    cast(sum(case when {{ amount }}_sign <> 0 then lines else 0 end) as bigint) as {{ amount }}_lines,
    cast(sum(case when {{ amount }}_sign < 0 then lines else 0 end) as bigint) as negative_{{ amount }}_lines,
    {%- endfor %}
    order_date,
    min(net_amount) as min_net_amount,
    max(net_amount) as max_net_amount,
    cast(sum(lines) as bigint) as lines,
    cast(sum(lines - 1) as bigint) as identical_lines,
    cast(sum(lines * returned) as bigint) as returned_lines,
    cast(sum(lines * is_uncategorised) as bigint) as uncategorised_lines
from distinct_lines
group by order_date

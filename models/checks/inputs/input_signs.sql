with input_lines as (

    select * from {{ ref('input_lines') }}
    where order_date between {{ first_date() }} and {{ last_date() }}

),

amounts as (

    {%- for amount in ['units', 'discount_amount', 'coupon_amount', 'cost_amount', 'returned_amount'] %}
    select
        '{{ amount }}' as amount,
        cast(coalesce(sum({{ amount }}_lines), 0) as bigint) as lines,
        cast(coalesce(sum(negative_{{ amount }}_lines), 0) as bigint) as negative_lines
    from input_lines
    {{ 'union all' if not loop.last }}
    {%- endfor %}

)

select
    amount,
    lines,
    negative_lines,
    coalesce(cast(negative_lines as double) / nullif(lines, 0), 0) as negative_share
from amounts

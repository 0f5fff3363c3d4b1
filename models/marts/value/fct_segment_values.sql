with fct_customer_values as (

    select
        customer_id,
        {{ cents('net_sales_365d') }} as net_cents,
        {{ cents('costed_net_sales_365d') }} as costed_cents,
        {{ cents('margin_365d') }} as margin_cents,
        {{ cents('expected_net_sales_180d') }} as expected_cents
    from {{ ref('fct_customer_values') }}

),

customer_combinations as (

    select * from {{ ref('customer_combinations') }}

),

combination_segments as (

    select * from {{ ref('combination_segments') }}

),

-- Each curve says once how its upper fifth and its whole stand.
curves as (

    select
        segmentation,
        segment,
        round(1 - value_share, 6) as top_20_percent_share,
        gini
    from {{ ref('fct_value_concentration') }}
    where customers_percent = 80

),

{%- set sums = {
    'customers': 'count(*)',
    'net_cents': 'sum(fct_customer_values.net_cents)',
    'costed_cents': 'sum(fct_customer_values.costed_cents)',
    'margin_cents': 'sum(fct_customer_values.margin_cents)',
    'negative_customers': 'count(case when fct_customer_values.net_cents < 0 then 1 end)',
    'negative_cents': 'sum(case when fct_customer_values.net_cents < 0 then fct_customer_values.net_cents else 0 end)',
    'customers_with_expectation': 'count(fct_customer_values.expected_cents)',
    'expected_cents': 'sum(fct_customer_values.expected_cents)',
} %}

combinations as (

    select
        {%- for name, value in sums.items() %}
        {{ value }} as {{ name }},
        {%- endfor %}
        customer_combinations.combination
    from customer_combinations
    inner join fct_customer_values
        on customer_combinations.customer_id = fct_customer_values.customer_id
    group by customer_combinations.combination

),

summed as (

    select
        {%- for name in sums %}
        sum(combinations.{{ name }}) as {{ name }},
        {%- endfor %}
        combination_segments.segmentation,
        combination_segments.segment
    from combinations
    inner join combination_segments
        on combinations.combination = combination_segments.combination
    group by
        combination_segments.segmentation,
        combination_segments.segment
    union all
    select
        {%- for name in sums %}
        sum({{ name }}) as {{ name }},
        {%- endfor %}
        '(all)' as segmentation,
        '(all)' as segment
    from combinations

),

population as (

    select
        customers,
        net_cents,
        expected_cents
    from summed
    where segmentation = '(all)'

)

select
    {{ last_date() }} as as_of_date,
    summed.segmentation,
    summed.segment,
    cast(summed.customers as bigint) as customers,
    cast(summed.net_cents / 100 as decimal(18, 2)) as net_sales_365d,
    round(summed.customers / cast(population.customers as double), 6) as customer_share,
    round(summed.net_cents / nullif(population.net_cents, 0), 6) as value_share,
    round(summed.net_cents / 100 / summed.customers, 2) as average_net_sales_365d,
    cast(summed.negative_customers as bigint) as negative_customers,
    cast(summed.negative_cents / 100 as decimal(18, 2)) as negative_net_sales_365d,
    curves.top_20_percent_share,
    curves.gini,
    cast(summed.customers_with_expectation as bigint) as customers_with_expectation,
    cast(summed.expected_cents / 100 as decimal(18, 2)) as expected_net_sales_180d,
    round(summed.expected_cents / nullif(population.expected_cents, 0), 6) as expected_value_share,
    round(summed.expected_cents / 100 / nullif(summed.customers_with_expectation, 0), 2)
        as average_expected_net_sales_180d,
    cast(summed.margin_cents / 100 as decimal(18, 2)) as margin_365d,
    round(summed.margin_cents / nullif(summed.costed_cents, 0), 6) as margin_rate,
    round(summed.costed_cents / nullif(summed.net_cents, 0), 6) as costed_share
from summed
cross join population
left join curves
    on
        summed.segmentation = curves.segmentation
        and summed.segment = curves.segment

with fct_customer_values as (

    select
        customer_id,
        {{ cents('net_sales_365d') }} as net_cents,
        {{ cents('costed_net_sales_365d') }} as costed_cents,
        {{ cents('margin_365d') }} as margin_cents,
        {{ cents('expected_net_sales_180d') }} as expected_cents
    from {{ ref('fct_customer_values') }}

),

customer_segments as (

    select * from {{ ref('customer_segments') }}

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

members as (

    select
        customer_segments.segmentation,
        customer_segments.segment,
        fct_customer_values.net_cents,
        fct_customer_values.costed_cents,
        fct_customer_values.margin_cents,
        fct_customer_values.expected_cents
    from customer_segments
    inner join fct_customer_values
        on customer_segments.customer_id = fct_customer_values.customer_id
    union all
    select
        '(all)' as segmentation,
        '(all)' as segment,
        net_cents,
        costed_cents,
        margin_cents,
        expected_cents
    from fct_customer_values

),

summed as (

    select
        segmentation,
        segment,
        count(*) as customers,
        sum(net_cents) as net_cents,
        sum(costed_cents) as costed_cents,
        sum(margin_cents) as margin_cents,
        count(case when net_cents < 0 then 1 end) as negative_customers,
        sum(case when net_cents < 0 then net_cents else 0 end) as negative_cents,
        count(expected_cents) as customers_with_expectation,
        sum(expected_cents) as expected_cents
    from members
    group by
        segmentation,
        segment

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
    summed.customers,
    cast(summed.net_cents / 100 as decimal(18, 2)) as net_sales_365d,
    round(summed.customers / cast(population.customers as double), 6) as customer_share,
    round(summed.net_cents / nullif(population.net_cents, 0), 6) as value_share,
    round(summed.net_cents / 100 / summed.customers, 2) as average_net_sales_365d,
    summed.negative_customers,
    cast(summed.negative_cents / 100 as decimal(18, 2)) as negative_net_sales_365d,
    curves.top_20_percent_share,
    curves.gini,
    summed.customers_with_expectation,
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

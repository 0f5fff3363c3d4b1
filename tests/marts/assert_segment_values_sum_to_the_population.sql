-- The segments of a segmentation have all customers, all net sales and all that is expected, to the cent.
with fct_segment_values as (

    select * from {{ ref('fct_segment_values') }}

),

sums as (

    select
        segmentation,
        sum(customers) as customers,
        sum(net_sales_365d) as net_sales_365d,
        sum(negative_net_sales_365d) as negative_net_sales_365d,
        sum(customers_with_expectation) as customers_with_expectation,
        coalesce(sum(expected_net_sales_180d), 0) as expected_net_sales_180d,
        abs(sum(value_share) - 1) > 0.0001 as is_value_not_whole
    from fct_segment_values
    where segmentation <> '(all)'
    group by segmentation

)

select sums.*
from sums
inner join fct_segment_values as population
    on population.segmentation = '(all)'
where
    sums.customers <> population.customers
    or sums.net_sales_365d <> population.net_sales_365d
    or sums.negative_net_sales_365d <> population.negative_net_sales_365d
    or sums.customers_with_expectation <> population.customers_with_expectation
    or sums.expected_net_sales_180d <> coalesce(population.expected_net_sales_180d, 0)
    or sums.is_value_not_whole

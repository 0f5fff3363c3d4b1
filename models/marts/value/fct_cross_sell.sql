with customer_combinations as (

    select * from {{ ref('customer_combinations') }}

),

combination_segments as (

    select * from {{ ref('combination_segments') }}

),

category_buyers as (

    select * from {{ ref('category_buyers') }}

),

sizes as (

    select
        segmentation,
        segment,
        cast(sum(customers) as bigint) as customers
    from combination_segments
    group by
        segmentation,
        segment

),

populations as (

    select
        segmentation,
        sum(customers) as customers
    from sizes
    group by segmentation

),

bought_by_combinations as (

    select
        customer_combinations.combination,
        category_buyers.category,
        count(*) as buyers,
        sum(category_buyers.net_exact) as net_exact
    from category_buyers
    inner join customer_combinations
        on category_buyers.customer_id = customer_combinations.customer_id
    group by
        customer_combinations.combination,
        category_buyers.category

),

bought as (

    select
        combination_segments.segmentation,
        combination_segments.segment,
        bought_by_combinations.category,
        cast(sum(bought_by_combinations.buyers) as bigint) as buyers,
        sum(bought_by_combinations.net_exact) as net_exact
    from bought_by_combinations
    inner join combination_segments
        on bought_by_combinations.combination = combination_segments.combination
    group by
        combination_segments.segmentation,
        combination_segments.segment,
        bought_by_combinations.category

),

bought_by_all as (

    select
        segmentation,
        category,
        sum(buyers) as buyers
    from bought
    group by
        segmentation,
        category

),

measured as (

    select
        bought.segmentation,
        bought.segment,
        bought.category,
        sizes.customers,
        bought.buyers,
        sizes.customers - bought.buyers as customers_without,
        {{ from_exact('bought.net_exact') }} / bought.buyers as average_spend,
        bought.buyers / cast(sizes.customers as double) as penetration,
        bought_by_all.buyers / cast(populations.customers as double) as penetration_of_all
    from bought
    inner join bought_by_all
        on
            bought.segmentation = bought_by_all.segmentation
            and bought.category = bought_by_all.category
    inner join sizes
        on
            bought.segmentation = sizes.segmentation
            and bought.segment = sizes.segment
    inner join populations
        on bought.segmentation = populations.segmentation

)

select
    {{ last_date() }} as as_of_date,
    segmentation,
    segment,
    category,
    customers,
    buyers,
    customers_without,
    round(penetration, 6) as penetration,
    round(penetration / penetration_of_all, 6) as lift,
    round(average_spend, 2) as average_net_sales_365d,
    cast(round(customers_without * penetration * average_spend, 2) as decimal(18, 2)) as potential_net_sales_365d,
    buyers >= {{ var('cross_sell_minimum_buyers') }} as is_offered
from measured

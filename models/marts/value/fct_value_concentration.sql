with fct_customer_values as (

    select
        customer_id,
        {{ cents('net_sales_365d') }} as net_cents
    from {{ ref('fct_customer_values') }}
    where net_sales_365d >= 0

),

customer_combinations as (

    select * from {{ ref('customer_combinations') }}

),

combination_segments as (

    select * from {{ ref('combination_segments') }}

),

alike as (

    select
        customer_combinations.combination,
        fct_customer_values.net_cents,
        count(*) as customers
    from customer_combinations
    inner join fct_customer_values
        on customer_combinations.customer_id = fct_customer_values.customer_id
    group by
        customer_combinations.combination,
        fct_customer_values.net_cents

),

-- Customers of equal value, from the least value up.
levels as (

    select
        combination_segments.segmentation,
        combination_segments.segment,
        alike.net_cents,
        sum(alike.customers) as customers
    from alike
    inner join combination_segments
        on alike.combination = combination_segments.combination
    group by
        combination_segments.segmentation,
        combination_segments.segment,
        alike.net_cents
    union all
    select
        '(all)' as segmentation,
        '(all)' as segment,
        net_cents,
        sum(customers) as customers
    from alike
    group by net_cents

),

ranked as (

    select
        segmentation,
        segment,
        net_cents,
        cast(customers as double) as customers,
        cast(
            sum(customers) over (
                partition by segmentation, segment
                order by net_cents
                rows between unbounded preceding and current row
            ) - customers as double
        ) as customers_before,
        sum(customers * net_cents) over (
            partition by segmentation, segment
            order by net_cents
            rows between unbounded preceding and current row
        ) - customers * net_cents as net_cents_before
    from levels

),

-- Gini = sum((2 place - customers - 1) value) / (customers * sum(value)), places from the least value up; those of a
-- level are customers_before + 1 to customers_before + customers.
wholes as (

    select
        segmentation,
        segment,
        cast(sum(customers) as bigint) as customers,
        sum(customers * net_cents) as net_cents,
        sum(net_cents * (customers * customers_before + customers * (customers + 1) / 2)) as net_cents_by_place
    from ranked
    group by
        segmentation,
        segment

),

percents as (

    select cast(numbers.generated_number - 1 as bigint) as customers_percent
    from ({{ dbt.generate_series(101) }}) as numbers

),

-- A point of the curve may fall within a customer, who then counts in part.
points as (

    select
        percents.customers_percent,
        wholes.*,
        cast(floor(percents.customers_percent * wholes.customers / 100) as bigint) as whole_customers,
        percents.customers_percent * wholes.customers % 100 / cast(100 as double) as part_of_next
    from percents
    cross join wholes

),

-- The points that fall into a level; into most falls none.
levels_of_points as (

    select *
    from (
        select
            ranked.segmentation,
            ranked.segment,
            ranked.net_cents,
            ranked.customers_before,
            ranked.net_cents_before,
            ceil(100 * ranked.customers_before / wholes.customers) as first_percent,
            ceil(100 * (ranked.customers_before + ranked.customers) / wholes.customers) as next_percent
        from ranked
        inner join wholes
            on
                ranked.segmentation = wholes.segmentation
                and ranked.segment = wholes.segment
    ) as placed
    where first_percent < next_percent

),

curve as (

    select
        points.*,
        -- Beyond the last customer is no level.
        coalesce(
            levels_of_points.net_cents_before
            + (points.whole_customers + 1 - levels_of_points.customers_before) * levels_of_points.net_cents
            - (1 - points.part_of_next) * levels_of_points.net_cents,
            points.net_cents
        ) as net_cents_of_poorest
    from points
    left join levels_of_points
        on
            points.segmentation = levels_of_points.segmentation
            and points.segment = levels_of_points.segment
            and points.customers_percent >= levels_of_points.first_percent
            and points.customers_percent < levels_of_points.next_percent

)

select
    {{ last_date() }} as as_of_date,
    segmentation,
    segment,
    customers_percent,
    customers,
    round(net_cents_of_poorest / nullif(net_cents, 0), 6) as value_share,
    round(
        (2 * net_cents_by_place - (customers + 1) * net_cents) / nullif(customers * net_cents, 0), 6
    ) as gini
from curve

with fct_customer_values as (

    select
        customer_id,
        {{ cents('net_sales_365d') }} as net_cents
    from {{ ref('fct_customer_values') }}
    where net_sales_365d >= 0

),

customer_segments as (

    select * from {{ ref('customer_segments') }}

),

members as (

    select
        customer_segments.segmentation,
        customer_segments.segment,
        fct_customer_values.customer_id,
        fct_customer_values.net_cents
    from customer_segments
    inner join fct_customer_values
        on customer_segments.customer_id = fct_customer_values.customer_id
    union all
    select
        '(all)' as segmentation,
        '(all)' as segment,
        customer_id,
        net_cents
    from fct_customer_values

),

ranked as (

    select
        segmentation,
        segment,
        net_cents,
        row_number() over (
            partition by segmentation, segment
            order by net_cents, customer_id
        ) as place,
        sum(net_cents) over (
            partition by segmentation, segment
            order by net_cents, customer_id
            rows between unbounded preceding and current row
        ) as net_cents_so_far
    from members

),

-- Gini = sum((2 place - customers - 1) value) / (customers * sum(value)), places from the least value up.
wholes as (

    select
        segmentation,
        segment,
        count(*) as customers,
        max(net_cents_so_far) as net_cents,
        sum(place * net_cents) as net_cents_by_place
    from ranked
    group by
        segmentation,
        segment

),

percents as (

    select cast(generated_number - 1 as bigint) as customers_percent
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

curve as (

    select
        points.*,
        coalesce(
            ranked.net_cents_so_far - (1 - points.part_of_next) * ranked.net_cents, points.net_cents
        ) as net_cents_of_poorest
    from points
    left join ranked
        on
            points.segmentation = ranked.segmentation
            and points.segment = ranked.segment
            and points.whole_customers + 1 = ranked.place

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

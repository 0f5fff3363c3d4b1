with customer_segments as (

    select * from {{ ref('customer_segments') }}
    where segmentation = {{ sql_text(var('cross_sell_segmentation')) }}

),

fct_cross_sell as (

    select * from {{ ref('fct_cross_sell') }}

),

expected as (

    select
        *,
        cast(penetration * average_net_sales_365d as decimal(18, 2)) as expected_net_sales_365d
    from fct_cross_sell
    where is_offered

),

-- What is worth most comes first: the places of categories in a segment.
places as (

    select
        *,
        row_number() over (
            partition by segmentation, segment
            order by expected_net_sales_365d desc, category asc
        ) as place
    from expected

),

category_buyers as (

    select * from {{ ref('category_buyers') }}

),

-- Left joins, so that the engine keeps their order: an inner join to the places of all segments by category alone,
-- before the customer's segment is known, has ten times the rows. What is no place of their segment is sorted last.
bought_places as (

    select
        category_buyers.customer_id,
        places.place,
        row_number() over (
            partition by category_buyers.customer_id
            order by places.place asc nulls last
        ) as number_bought
    from category_buyers
    left join customer_segments
        on category_buyers.customer_id = customer_segments.customer_id
    left join places
        on
            customer_segments.segmentation = places.segmentation
            and customer_segments.segment = places.segment
            and category_buyers.category = places.category

),

-- Who buys the first so many categories without a gap lacks the next one.
without_a_gap as (

    select
        customer_id,
        count(*) as categories
    from bought_places
    where place = number_bought
    group by customer_id

)

select
    customer_segments.as_of_date,
    customer_segments.customer_id,
    customer_segments.segmentation,
    customer_segments.segment,
    places.category,
    places.penetration,
    places.lift,
    places.average_net_sales_365d,
    places.expected_net_sales_365d
from customer_segments
left join without_a_gap
    on customer_segments.customer_id = without_a_gap.customer_id
inner join places
    on
        customer_segments.segmentation = places.segmentation
        and customer_segments.segment = places.segment
        and coalesce(without_a_gap.categories, 0) + 1 = places.place

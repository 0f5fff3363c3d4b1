{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('as_of_date') }}"
) }}

with run_days as (
    {{ run_days() }}

),

dim_segments as (

    select * from {{ ref('dim_segments') }}
    where is_current

),

segment_entries as (

    select * from {{ ref('segment_entries') }}
    where entered_on between {{ first_date() }} and {{ last_date() }}

),

recent_spells as (

    select * from {{ ref('recent_spells') }}

),

customer_measures as (

    select
        as_of_date,
        customer_id,
        orders_30d,
        {{ exact('net_sales_30d') }} as net_exact_30d
    from {{ ref('customer_measures') }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}

),

moves as (

    select
        entered_on as move_date,
        segmentation,
        segment,
        count(*) as entered,
        0 as exited,
        count(case when previous_segment is null then 1 end) as joined,
        0 as departed
    from segment_entries
    where segment <> '(left)'
    group by
        entered_on,
        segmentation,
        segment
    union all
    select
        entered_on as move_date,
        segmentation,
        previous_segment as segment,
        0 as entered,
        count(*) as exited,
        0 as joined,
        count(case when segment = '(left)' then 1 end) as departed
    from segment_entries
    where previous_segment <> '(left)'
    group by
        entered_on,
        segmentation,
        previous_segment

),

sizes_before as (

    select
        segmentation,
        segment,
        count(*) as customers
    from recent_spells
    where valid_from < {{ first_date() }}
    group by
        segmentation,
        segment

),

segments as (

    select
        segmentation,
        segment,
        max(is_in_force) as is_in_force
    from (
        select
            segmentation,
            segment,
            1 as is_in_force
        from dim_segments
        union all
        select
            segmentation,
            segment,
            0 as is_in_force
        from recent_spells
        where segmentation in (select dim_segments.segmentation from dim_segments)
    ) as named
    group by
        segmentation,
        segment

),

daily_moves as (

    select
        move_date,
        segmentation,
        segment,
        sum(entered) as entered,
        sum(exited) as exited,
        sum(joined) as joined,
        sum(departed) as departed
    from moves
    group by
        move_date,
        segmentation,
        segment

),

sales as (

    select
        customer_measures.as_of_date,
        recent_spells.segmentation,
        recent_spells.segment,
        sum(customer_measures.net_exact_30d) as net_exact_30d,
        sum(customer_measures.orders_30d) as orders_30d
    from customer_measures
    inner join recent_spells
        on
            customer_measures.customer_id = recent_spells.customer_id
            and customer_measures.as_of_date >= recent_spells.valid_from
            and customer_measures.as_of_date < recent_spells.valid_to
    -- Money may be given back to customers without an order.
    where
        customer_measures.orders_30d > 0
        or customer_measures.net_exact_30d <> 0
    group by
        customer_measures.as_of_date,
        recent_spells.segmentation,
        recent_spells.segment

),

counted as (

    select
        run_days.as_of_date,
        segments.segmentation,
        segments.segment,
        segments.is_in_force,
        cast(
            coalesce(sizes_before.customers, 0)
            + coalesce(sum(daily_moves.entered - daily_moves.exited) over (
                partition by segments.segmentation, segments.segment
                order by run_days.as_of_date
                rows between unbounded preceding and current row
            ), 0)
            as bigint
        ) as customers,
        cast(coalesce(daily_moves.entered, 0) as bigint) as entered,
        cast(coalesce(daily_moves.exited, 0) as bigint) as exited,
        cast(coalesce(daily_moves.joined, 0) as bigint) as joined,
        cast(coalesce(daily_moves.departed, 0) as bigint) as {{ adapter.quote('left') }},
        {{ money('coalesce(sales.net_exact_30d, 0)') }} as net_sales_30d,
        cast(coalesce(sales.orders_30d, 0) as bigint) as orders_30d
    from run_days
    cross join segments
    left join sizes_before
        on
            segments.segmentation = sizes_before.segmentation
            and segments.segment = sizes_before.segment
    left join daily_moves
        on
            run_days.as_of_date = daily_moves.move_date
            and segments.segmentation = daily_moves.segmentation
            and segments.segment = daily_moves.segment
    left join sales
        on
            run_days.as_of_date = sales.as_of_date
            and segments.segmentation = sales.segmentation
            and segments.segment = sales.segment

)

-- A segment that the rules no longer have is listed as long as it has customers.
select
    as_of_date,
    segmentation,
    segment,
    customers,
    entered,
    exited,
    joined,
    {{ adapter.quote('left') }},
    net_sales_30d,
    orders_30d
from counted
where
    is_in_force = 1
    or customers > 0
    or exited > 0

-- How many stays a path shows, the last ones, and how many paths are kept per segmentation.
{%- set stays_shown = 5 %}
{%- set paths_kept = 100 %}

with fct_segment_spells as (

    select * from {{ ref('fct_segment_spells') }}

),

stays_in_order as (

    select
        segmentation,
        segment,
        is_current,
        {%- for place in range(1, stays_shown) %}
        lag(segment, {{ place }}) over (
            partition by segmentation, customer_id
            order by valid_from
        ) as segment_{{ place }}_before,
        {%- endfor %}
        row_number() over (
            partition by segmentation, customer_id
            order by valid_from
        ) as stays,
        sum(days) over (
            partition by segmentation, customer_id
            order by valid_from
            rows between {{ stays_shown - 1 }} preceding and current row
        ) as days,
        lead(valid_from) over (
            partition by segmentation, customer_id
            order by valid_from
        ) as next_valid_from
    from fct_segment_spells

),

-- A customer's path ends with their last stay: grouping the stays of everybody would take more memory.
customer_paths as (

    select
        segmentation,
        concat_ws(
            ' > '
            {%- for place in range(stays_shown - 1, 0, -1) %},
            segment_{{ place }}_before
            {%- endfor %},
            segment,
            case when not is_current then '(left)' end
        ) as life_path,
        least(stays, {{ stays_shown }}) as stays,
        cast(days as bigint) as days
    from stays_in_order
    where next_valid_from is null

),

paths as (

    select
        segmentation,
        life_path,
        min(stays) as stays,
        count(*) as customers,
        median(days) as median_days
    from customer_paths
    group by
        segmentation,
        life_path

),

ranked as (

    select
        *,
        row_number() over (
            partition by segmentation
            order by customers desc, life_path asc
        ) as place,
        customers / cast(sum(customers) over (partition by segmentation) as double) as customer_share
    from paths

)

select
    {{ last_date() }} as as_of_date,
    segmentation,
    place,
    life_path,
    stays,
    customers,
    round(customer_share, 6) as customer_share,
    cast(median_days as double) as median_days
from ranked
where place <= {{ paths_kept }}

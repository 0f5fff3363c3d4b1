-- How many stays a path shows, the last ones, and how many paths are kept per segmentation.
{%- set stays_shown = 5 %}
{%- set paths_kept = 100 %}

with fct_segment_spells as (

    select * from {{ ref('fct_segment_spells') }}

),

numbered as (

    select
        segmentation,
        customer_id,
        segment,
        is_current,
        {{ days_between('valid_from', 'least(valid_to, ' ~ last_date(1) ~ ')') }} as days,
        row_number() over (
            partition by segmentation, customer_id
            order by valid_from desc
        ) as place_from_last
    from fct_segment_spells

),

customer_paths as (

    select
        segmentation,
        customer_id,
        concat_ws(
            ' > '
            {%- for place in range(stays_shown, 0, -1) %},
            max(case when place_from_last = {{ place }} then segment end)
            {%- endfor %},
            max(case when place_from_last = 1 and not is_current then '(left)' end)
        ) as life_path,
        count(*) as stays,
        cast(sum(days) as bigint) as days
    from numbered
    where place_from_last <= {{ stays_shown }}
    group by
        segmentation,
        customer_id

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

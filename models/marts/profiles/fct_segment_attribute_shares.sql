{{ config(tags=['weekly']) }}
{%- set attributes = profiled_attributes() if execute else {} -%}

with profile_days as (

    select * from {{ ref('profile_days') }}

),

customer_features as (

    select * from {{ ref('profiled_customers') }}

),

combination_segments as (

    select * from {{ ref('profiled_segments') }}

),

-- Customers with the same segments and the same attributes, counted once for all segmentations and attributes.
alike as (

    select
        {%- for attribute, value in attributes.items() %}
        coalesce({{ value }}, '(unknown)') as {{ attribute }},
        {%- endfor %}
        customer_features.combination,
        count(*) as customers
    from customer_features
    group by
        {%- for value in attributes.values() %}
        coalesce({{ value }}, '(unknown)'),
        {%- endfor %}
        customer_features.combination

),

combinations as (
    {%- for attribute in attributes %}
    select
        combination,
        '{{ attribute }}' as attribute,
        {{ attribute }} as attribute_value,
        cast(sum(customers) as bigint) as customers
    from alike
    group by
        combination,
        {{ attribute }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

segments as (

    select
        combination_segments.segmentation,
        combination_segments.segment,
        combinations.attribute,
        combinations.attribute_value,
        cast(sum(combinations.customers) as bigint) as customers
    from combinations
    inner join combination_segments
        on combinations.combination = combination_segments.combination
    group by
        combination_segments.segmentation,
        combination_segments.segment,
        combinations.attribute,
        combinations.attribute_value

),

populations as (

    select
        attribute,
        attribute_value,
        cast(sum(customers) as bigint) as customers
    from combinations
    group by
        attribute,
        attribute_value

),

segment_shares as (

    select
        *,
        customers / cast(sum(customers) over (partition by segmentation, segment, attribute) as double) as share
    from segments

),

population_shares as (

    select
        *,
        customers / cast(sum(customers) over (partition by attribute) as double) as share
    from populations

)

select
    profile_days.as_of_date,
    segment_shares.segmentation,
    segment_shares.segment,
    segment_shares.attribute,
    segment_shares.attribute_value,
    segment_shares.customers,
    segment_shares.share,
    population_shares.customers as population_customers,
    population_shares.share as population_share,
    round(100 * segment_shares.share / population_shares.share, 2) as share_index
from segment_shares
cross join profile_days
inner join population_shares
    on
        segment_shares.attribute = population_shares.attribute
        and segment_shares.attribute_value = population_shares.attribute_value

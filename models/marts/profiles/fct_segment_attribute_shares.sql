{%- set attributes = profiled_attributes() if execute else {} -%}

with customer_features as (

    select * from {{ ref('fct_customer_features') }}

),

customer_segments as (

    select * from {{ ref('customer_segments') }}

),

members as (

    select
        {%- for attribute, value in attributes.items() %}
        coalesce({{ value }}, '(unknown)') as {{ attribute }},
        {%- endfor %}
        customer_segments.segmentation,
        customer_segments.segment
    from customer_segments
    inner join customer_features
        on customer_segments.customer_id = customer_features.customer_id

),

segments as (
    {%- for attribute in attributes %}
    select
        segmentation,
        segment,
        '{{ attribute }}' as attribute,
        {{ attribute }} as attribute_value,
        count(*) as customers
    from members
    group by
        segmentation,
        segment,
        {{ attribute }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

populations as (
    {%- for attribute, value in attributes.items() %}
    select
        '{{ attribute }}' as attribute,
        coalesce({{ value }}, '(unknown)') as attribute_value,
        count(*) as customers
    from customer_features
    group by coalesce({{ value }}, '(unknown)')
    {{ 'union all' if not loop.last }}
    {%- endfor %}

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
    {{ last_date() }} as as_of_date,
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
inner join population_shares
    on
        segment_shares.attribute = population_shares.attribute
        and segment_shares.attribute_value = population_shares.attribute_value

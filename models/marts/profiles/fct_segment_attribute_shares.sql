{%- set attributes = profiled_attributes() if execute else {} -%}

with customer_features as (

    select
        {%- for attribute, value in attributes.items() %}
        coalesce({{ value }}, '(unknown)') as {{ attribute }},
        {%- endfor %}
        customer_id
    from {{ ref('fct_customer_features') }} as customer_features

),

customer_segments as (

    select * from {{ ref('customer_segments') }}

),

-- Grouping sets count all attributes in one pass. In a row only its own attribute has a value.
segments as (

    select
        customer_segments.segmentation,
        customer_segments.segment,
        case
            {%- for attribute in attributes %}
            when grouping(customer_features.{{ attribute }}) = 0 then '{{ attribute }}'
            {%- endfor %}
        end as attribute,
        coalesce({{ attributes | join(', ') }}) as attribute_value,
        count(*) as customers
    from customer_segments
    inner join customer_features
        on customer_segments.customer_id = customer_features.customer_id
    group by grouping sets (
        {%- for attribute in attributes %}
        (customer_segments.segmentation, customer_segments.segment, customer_features.{{ attribute }}){{ ',' if not loop.last }}
        {%- endfor %}
    )

),

populations as (

    select
        case
            {%- for attribute in attributes %}
            when grouping(customer_features.{{ attribute }}) = 0 then '{{ attribute }}'
            {%- endfor %}
        end as attribute,
        coalesce({{ attributes | join(', ') }}) as attribute_value,
        count(*) as customers
    from customer_features
    group by grouping sets (
        {%- for attribute in attributes %}
        (customer_features.{{ attribute }}){{ ',' if not loop.last }}
        {%- endfor %}
    )

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

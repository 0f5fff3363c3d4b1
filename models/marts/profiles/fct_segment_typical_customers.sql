{{ config(tags=['weekly']) }}
{%- set features = profiled_features() if execute else {} -%}
{#- What is told beside numbers, the category first. -#}
{%- set attributes = {'top_category_365d': 'customer_features.top_category_365d'} -%}
{%- do attributes.update(profiled_attributes(with_protected=false) if execute else {}) -%}

with customer_features as (

    select * from {{ ref('profiled_customers') }}

),

profiled_segments as (

    select * from {{ ref('profiled_segments') }}

),

dim_segments as (

    select * from {{ ref('dim_segments') }}
    where is_current

),

fct_segment_profiles as (

    select
        segmentation,
        segment,
        feature,
        -- A feature that most of the segment lacks is typically missing.
        case when 2 * customers_with_value >= customers then median end as typical_value,
        -- The interquartile range of a normal distribution with standard deviation 1 is 1.349. A feature that has one
        -- value for everybody says nothing of how customers differ, and is left out.
        case
            when population_deviation > 0
                then coalesce(nullif((population_upper_quartile - population_lower_quartile) / 1.349, 0), 1)
        end as unit
    from {{ ref('fct_segment_profiles') }}

),

centres as (

    select
        {%- for feature in features %}
        max(case when feature = '{{ feature }}' then typical_value end) as {{ feature }}_value,
        max(case when feature = '{{ feature }}' then unit end) as {{ feature }}_unit,
        {%- endfor %}
        greatest(count(unit), 1) as features,
        segmentation,
        segment
    from fct_segment_profiles
    group by
        segmentation,
        segment

),

distances as (

    select
        profiled_segments.segmentation,
        profiled_segments.segment,
        customer_features.customer_id,
        (
            {%- for feature, value in features.items() %}
            {{ '+ ' if not loop.first }}coalesce(
                abs(cast({{ value }} as double) - centres.{{ feature }}_value) / centres.{{ feature }}_unit,
                case
                    when centres.{{ feature }}_unit is null then 0
                    when {{ value }} is null and centres.{{ feature }}_value is null then 0
                    else 1
                end
            )
            {%- endfor %}
        ) / centres.features as distance
    from customer_features
    inner join profiled_segments
        on customer_features.combination = profiled_segments.combination
    inner join centres
        on
            profiled_segments.segmentation = centres.segmentation
            and profiled_segments.segment = centres.segment

),

nearest as (

    select
        segmentation,
        segment,
        count(*) as customers,
        min(distance) as distance,
        avg(distance) as mean_distance
    from distances
    group by
        segmentation,
        segment

),

-- Of several who are equally near, the one with the first key.
typical_customers as (

    select
        nearest.segmentation,
        nearest.segment,
        nearest.customers,
        nearest.distance,
        nearest.mean_distance,
        min(distances.customer_id) as customer_id
    from nearest
    inner join distances
        on
            nearest.segmentation = distances.segmentation
            and nearest.segment = distances.segment
            and nearest.distance = distances.distance
    -- Among fewer the typical one would be somebody whom those who know the segment know.
    where nearest.customers >= {{ var('typical_customer_alike') }}
    group by
        nearest.segmentation,
        nearest.segment,
        nearest.customers,
        nearest.distance,
        nearest.mean_distance

),

-- Customers with the same attributes, which are few beside all customers.
attribute_sets as (

    select
        {%- for attribute in attributes %}
        {{ attribute }},
        {%- endfor %}
        count(*) as customers
    from customer_features
    group by
        {{ attributes | join(',\n        ') }}

),

-- How many customers of all have the first attributes of the typical one, the first two, and so on. An attribute that
-- the typical one lacks is not told.
sharing as (

    select
        {%- set alike = namespace(sql='1 = 1') %}
        {%- for attribute in attributes %}
        {%- set same = 'typical_features.' ~ attribute ~ ' = attribute_sets.' ~ attribute %}
        {%- set alike.sql = alike.sql ~ ' and (' ~ same ~ ' or typical_features.' ~ attribute ~ ' is null)' %}
        coalesce(sum(case when {{ alike.sql }} then attribute_sets.customers end), 0) as {{ attribute }}_customers,
        {%- endfor %}
        typical_customers.segmentation,
        typical_customers.segment
    from typical_customers
    inner join customer_features as typical_features
        on typical_customers.customer_id = typical_features.customer_id
    cross join attribute_sets
    group by
        typical_customers.segmentation,
        typical_customers.segment

)

select
    customer_features.as_of_date,
    typical_customers.segmentation,
    typical_customers.segment,
    typical_customers.customers,
    typical_customers.customer_id,
    {{ typical_customer_text(attributes) | indent(4) }} as description,
    dim_segments.persona,
    round(typical_customers.distance, 6) as distance,
    round(typical_customers.mean_distance, 6) as mean_distance
from typical_customers
inner join customer_features
    on typical_customers.customer_id = customer_features.customer_id
inner join sharing
    on
        typical_customers.segmentation = sharing.segmentation
        and typical_customers.segment = sharing.segment
left join dim_segments
    on
        typical_customers.segmentation = dim_segments.segmentation
        and typical_customers.segment = dim_segments.segment

{%- set features = profiled_features() if execute else {} -%}

with customer_features as (

    select * from {{ ref('fct_customer_features') }}

),

customer_segments as (

    select * from {{ ref('customer_segments') }}

),

-- Wide: one pass over the customers, and nothing is multiplied by the number of features.
segments as (

    select
        customer_segments.segmentation,
        customer_segments.segment,
        {%- for feature, value in features.items() %}
        count({{ value }}) as {{ feature }}_customers,
        avg(cast({{ value }} as double)) as {{ feature }}_mean,
        {{ quartiles('cast(' ~ value ~ ' as double)') }} as {{ feature }}_quartiles,
        {%- endfor %}
        count(*) as customers
    from customer_segments
    inner join customer_features
        on customer_segments.customer_id = customer_features.customer_id
    group by
        customer_segments.segmentation,
        customer_segments.segment

),

populations as (

    select
        {%- for feature, value in features.items() %}
        avg(cast({{ value }} as double)) as {{ feature }}_mean,
        stddev_pop(cast({{ value }} as double)) as {{ feature }}_deviation,
        {{ quartiles('cast(' ~ value ~ ' as double)') }} as {{ feature }}_quartiles,
        {%- endfor %}
        count(*) as customers
    from customer_features

),

-- Long: a row per feature. The last digits of sums depend on the order of their parts, so means are rounded; those that
-- are shown once more, so that a tie falls the same way, too.
profiles as (
    {%- for feature in features %}
    select
        segments.segmentation,
        segments.segment,
        '{{ feature }}' as feature,
        segments.customers,
        segments.{{ feature }}_customers as customers_with_value,
        round(segments.{{ feature }}_mean, 9) as mean,
        {{ quartile('segments.' ~ feature ~ '_quartiles', 1) }} as lower_quartile,
        {{ quartile('segments.' ~ feature ~ '_quartiles', 2) }} as median,
        {{ quartile('segments.' ~ feature ~ '_quartiles', 3) }} as upper_quartile,
        round(populations.{{ feature }}_mean, 9) as population_mean,
        round(populations.{{ feature }}_deviation, 9) as population_deviation,
        {{ quartile('populations.' ~ feature ~ '_quartiles', 1) }} as population_lower_quartile,
        {{ quartile('populations.' ~ feature ~ '_quartiles', 2) }} as population_median,
        {{ quartile('populations.' ~ feature ~ '_quartiles', 3) }} as population_upper_quartile
    from segments
    cross join populations
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

compared as (

    select
        *,
        case when population_mean > 0 then round(100 * mean / population_mean, 2) end as mean_index,
        -- Where all customers are alike, to the digits that are shown, no segment differs.
        round(
            case
                when round(population_deviation, 6) = 0 then 0 * mean
                else (mean - population_mean) / population_deviation
            end, 6
        ) as standardised_difference
    from profiles

)

select
    {{ last_date() }} as as_of_date,
    segmentation,
    segment,
    feature,
    customers,
    customers_with_value,
    round(mean, 6) as mean,
    lower_quartile,
    median,
    upper_quartile,
    round(population_mean, 6) as population_mean,
    round(population_deviation, 6) as population_deviation,
    population_lower_quartile,
    population_median,
    population_upper_quartile,
    mean_index,
    standardised_difference,
    row_number() over (
        partition by segmentation, segment
        -- A feature that most of the segment lacks says little of it.
        order by
            case when 2 * customers_with_value >= customers then 0 else 1 end,
            abs(standardised_difference) desc nulls last,
            feature
    ) as difference_rank
from compared

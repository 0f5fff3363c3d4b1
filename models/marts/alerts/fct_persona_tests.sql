{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('as_of_date') }}"
) }}

with fct_persona_claims as (

    select * from {{ ref('fct_persona_claims') }}

),

fct_segment_profiles as (

    select * from {{ ref('fct_segment_profiles') }}

),

fct_segment_attribute_shares as (

    select * from {{ ref('fct_segment_attribute_shares') }}

),

attribute_customers as (

    select
        segmentation,
        segment,
        attribute,
        cast(sum(customers) as double) as customers
    from fct_segment_attribute_shares
    where attribute_value <> '(unknown)'
    group by
        segmentation,
        segment,
        attribute

),

-- The standard error of a median is 1.25 quartile distances / (1.35 sqrt(n)) (McGill, Tukey
-- and Larsen, Variations of box plots, 1978), that of a share is the binomial one.
persona_claims as (

    select
        claims.as_of_date,
        claims.segmentation,
        claims.segment,
        claims.feature,
        claims.segment_value,
        claims.holds,
        case when claims.claim = 'mostly' then 0.5 else claims.population_value end as claimed_value,
        case when claims.claim = 'below' then 1 else -1 end as breaking_side,
        case
            when claims.claim = 'mostly'
                then sqrt(claims.segment_value * (1 - claims.segment_value) / attribute_customers.customers)
            else
                1.25 * (profiles.upper_quartile - profiles.lower_quartile)
                / (1.35 * sqrt(cast(profiles.customers_with_value as double)))
        end as standard_error,
        coalesce(attribute_customers.customers, profiles.customers_with_value) as customers
    from fct_persona_claims as claims
    left join fct_segment_profiles as profiles
        on
            claims.segmentation = profiles.segmentation
            and claims.segment = profiles.segment
            and claims.feature = profiles.feature
    left join attribute_customers
        on
            claims.segmentation = attribute_customers.segmentation
            and claims.segment = attribute_customers.segment
            and claims.feature = attribute_customers.attribute
    where
        claims.holds is not null
        and claims.segmentation in (
            {%- for name in active_segmentations() %}
            {{ sql_text(name) }}{{ ',' if not loop.last }}
            {%- endfor %}
        )

),

persona_scores as (

    select
        *,
        breaking_side * (segment_value - claimed_value) / greatest(standard_error, 0.000001) as score
    from persona_claims
    where customers >= {{ var('alert_minimum_customers') }}

),

tests as (

    select
        as_of_date,
        'persona' as kind,
        segmentation,
        segment,
        feature,
        segment_value as observed,
        claimed_value as expected,
        score,
        cast(null as double) as step_score,
        {{ normal_tail('score') }} as p_value,
        not holds as is_material
    from persona_scores

),

{{ judged_tests() }}

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ forget('as_of_date') }}",
    post_hook="{{ forget_old_tests() }}"
) }}
{%- set claims = claims_of_personas() -%}
{%- set shares = claims | selectattr('claim', 'equalto', 'mostly') | list -%}
{%- set medians = claims | rejectattr('claim', 'equalto', 'mostly') | list -%}
{%- set numbers = medians | map(attribute='feature') | unique | list -%}
{%- set attributes = shares | map(attribute='feature') | unique | list -%}
{%- set values = dict(profiled_features(), **profiled_attributes()) if execute else {} -%}
{#- Of fewer nothing is told: their median would be that of somebody. -#}
{%- set fewest = var('typical_customer_alike') -%}
{%- set rows = [] -%}
{%- for claim in claims -%}
    {%- do rows.append({
        'segment_number': claim.segment_number,
        'segmentation': sql_text(claim.segmentation),
        'segment': sql_text(claim.segment),
        'feature': sql_text(claim.feature),
        'claim': sql_text(claim.claim),
        'claimed_value': sql_text(claim.value),
    }) -%}
{%- endfor %}

with run_days as (
    {{ run_days() }}

),

claims as (
    {{ rows_of(rows, ['segment_number', 'segmentation', 'segment', 'feature', 'claim', 'claimed_value']) }}

),

customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}

),

customers as (

    select
        {%- for feature in numbers %}
        cast({{ values[feature] }} as double) as {{ feature }},
        {%- endfor %}
        {%- for attribute in attributes %}
        {{ values[attribute] }} as {{ attribute }},
        {%- endfor %}
        customer_features.as_of_date,
        customer_features.customer_id
    from customer_features

),

-- A number for the segment, which is a quicker key than two columns.
segment_numbers as (

    select distinct
        segment_number,
        segmentation,
        segment
    from claims

),

fct_segment_spells as (

    select * from {{ ref('fct_segment_spells') }}
    where
        valid_from <= {{ last_date() }}
        and valid_to > {{ first_date() }}

),

spells as (

    select
        segment_numbers.segment_number,
        fct_segment_spells.customer_id,
        fct_segment_spells.valid_from,
        fct_segment_spells.valid_to
    from fct_segment_spells
    inner join segment_numbers
        on
            fct_segment_spells.segmentation = segment_numbers.segmentation
            and fct_segment_spells.segment = segment_numbers.segment

),

members as (

    select
        customers.*,
        spells.segment_number
    from customers
    inner join spells
        on
            customers.customer_id = spells.customer_id
            and customers.as_of_date >= spells.valid_from
            and customers.as_of_date < spells.valid_to

),

-- Wide: one pass over the customers. Of a segment only that counts which is claimed of it.
segments as (

    select
        {%- for feature in numbers %}
        {%- set claiming = medians | selectattr('feature', 'equalto', feature) | map(attribute='segment_number') %}
        {%- set claimed = 'case when segment_number in (' ~ claiming | join(', ') ~ ') then ' ~ feature ~ ' end' %}
        count({{ claimed }}) as {{ feature }}_customers,
        {{ quartiles(claimed) }} as {{ feature }}_quartiles,
        {%- endfor %}
        {%- for attribute in attributes %}
        cast(count({{ attribute }}) as double) as {{ attribute }}_customers,
        count(
            case
                {%- for claim in shares if claim.feature == attribute %}
                when segment_number = {{ claim.segment_number }} and {{ attribute }} = {{ sql_text(claim.value) }}
                    then 1
                {%- endfor %}
            end
        ) as {{ attribute }}_claimed,
        {%- endfor %}
        as_of_date,
        segment_number
    from members
    group by
        as_of_date,
        segment_number

),

populations as (

    select
        {%- for feature in numbers %}
        {{ quartiles(feature) }} as {{ feature }}_quartiles,
        {%- endfor %}
        {%- for attribute in attributes %}
        cast(count({{ attribute }}) as double) as {{ attribute }}_customers,
        {%- endfor %}
        {%- for claim in shares %}
        count(case when {{ claim.feature }} = {{ sql_text(claim.value) }} then 1 end) as claimed_{{ loop.index }},
        {%- endfor %}
        as_of_date
    from customers
    group by as_of_date

),

-- Long: a row per segment and feature.
segment_values as (
    {%- for feature in numbers %}
    select
        as_of_date,
        segment_number,
        {{ sql_text(feature) }} as feature,
        {{ feature }}_customers as customers,
        {{ quartile(feature ~ '_quartiles', 2) }} as segment_value,
        {{ quartile(feature ~ '_quartiles', 3) }} - {{ quartile(feature ~ '_quartiles', 1) }} as quartile_distance
    from segments
    where {{ feature }}_customers >= {{ fewest }}
    union all
    {%- endfor %}
    {%- for attribute in attributes %}
    select
        as_of_date,
        segment_number,
        {{ sql_text(attribute) }} as feature,
        cast({{ attribute }}_customers as bigint) as customers,
        {{ attribute }}_claimed / {{ attribute }}_customers as segment_value,
        cast(null as double) as quartile_distance
    from segments
    where {{ attribute }}_customers >= {{ fewest }}
    union all
    {%- endfor %}
    select
        as_of_date,
        segment_number,
        cast(null as {{ dbt.type_string() }}) as feature,
        cast(null as bigint) as customers,
        cast(null as double) as segment_value,
        cast(null as double) as quartile_distance
    from segments
    where false

),

population_values as (
    {%- for feature in numbers %}
    select
        as_of_date,
        {{ sql_text(feature) }} as feature,
        cast(null as {{ dbt.type_string() }}) as claimed_value,
        {{ quartile(feature ~ '_quartiles', 2) }} as population_value
    from populations
    union all
    {%- endfor %}
    {%- for claim in shares %}
    select
        as_of_date,
        {{ sql_text(claim.feature) }} as feature,
        {{ sql_text(claim.value) }} as claimed_value,
        claimed_{{ loop.index }} / nullif({{ claim.feature }}_customers, 0) as population_value
    from populations
    union
    {%- endfor %}
    select
        as_of_date,
        cast(null as {{ dbt.type_string() }}) as feature,
        cast(null as {{ dbt.type_string() }}) as claimed_value,
        cast(null as double) as population_value
    from populations
    where false

)

-- The standard error of a median is 1.25 quartile distances / (1.35 sqrt(n)) (McGill, Tukey and Larsen, Variations of
-- box plots, 1978), that of a share is the binomial one.
select
    run_days.as_of_date,
    claims.segmentation,
    claims.segment,
    claims.feature,
    claims.claim,
    claims.claimed_value,
    segment_values.customers,
    segment_values.segment_value,
    case
        when claims.claim = 'mostly'
            then
                sqrt(
                    segment_values.segment_value * (1 - segment_values.segment_value)
                    / cast(segment_values.customers as double)
                )
        else 1.25 * segment_values.quartile_distance / (1.35 * sqrt(cast(segment_values.customers as double)))
    end as standard_error,
    population_values.population_value,
    case claims.claim
        when 'above' then segment_values.segment_value > population_values.population_value
        when 'below' then segment_values.segment_value < population_values.population_value
        else segment_values.segment_value > 0.5
    end as holds
from run_days
cross join claims
left join segment_values
    on
        run_days.as_of_date = segment_values.as_of_date
        and claims.segment_number = segment_values.segment_number
        and claims.feature = segment_values.feature
left join population_values
    on
        run_days.as_of_date = population_values.as_of_date
        and claims.feature = population_values.feature
        and coalesce(claims.claimed_value, '') = coalesce(population_values.claimed_value, '')

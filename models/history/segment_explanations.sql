{{ config(materialized='table') }}
{%- set features = known_features() if execute else {} %}

with customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date = {{ last_date() }}

),

rule_cut_points as (

    select * from {{ ref('rule_cut_points') }}

),

score_cut_points as (

    select * from {{ ref('score_cut_points') }}

),

current_segments as (

    select
        customer_id,
        segmentation,
        segment
    from {{ ref('recent_spells') }}
    where is_current

),

feature_scales as (
    {{ feature_scales(numbers_in_rules(definitions()), features) }}

),

{%- for definition in definitions() %}
{{ explanation_ctes(definition, last_date()) }},
{%- endfor %}

explained as (
    {%- for definition in definitions() %}
    select * from {{ definition.name }}_explained
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        customer_id,
        segmentation,
        cast(null as {{ dbt.type_string() }}) as rule_version,
        segment,
        segment as rule_segment,
        cast(0 as bigint) as held_clauses,
        cast(null as double) as fit,
        segment as nearest_segment
    from current_segments
    where false
    {%- endfor %}

)

select * from explained

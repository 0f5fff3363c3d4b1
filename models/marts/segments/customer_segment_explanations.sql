{{ config(materialized='view') }}

with segment_explanations as (

    select * from {{ ref('segment_explanations') }}

),

customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date = {{ last_date() }}

),

rule_cut_points as (

    select * from {{ ref('rule_cut_points') }}

),

score_cut_points as (

    select * from {{ ref('score_cut_points') }}

),

feature_units as (

    select * from {{ ref('feature_units') }}

),

feature_scales as (
    {{ feature_scales(numbers_in_rules(definitions()), last_date()) }}

),

{%- for definition in definitions() %}
{{ definition.name }}_explained as (

    select * from segment_explanations
    where segmentation = '{{ definition.name }}'

),

{{ change_ctes(definition, last_date()) }},
{%- endfor %}

explained as (
    {%- for definition in definitions() %}
    select * from {{ definition.name }}_changed
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        *,
        segment as clause_values,
        segment as change_feature,
        segment as change_from,
        segment as change_to
    from segment_explanations
    where false
    {%- endfor %}

),

pattern_texts as (

    select * from {{ ref('explanation_texts') }}

),

told as (
    {{ told_explanations() }}

)

select
    {{ last_date() }} as as_of_date,
    customer_id,
    segmentation,
    segment,
    rule_segment,
    rule_version,
    explanation,
    deciding_clauses,
    clause_values,
    missed_rules,
    fit,
    nearest_segment,
    change_feature,
    change_from,
    change_to
from told

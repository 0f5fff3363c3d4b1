{{ config(materialized='view') }}

with feature_units as (

    select * from {{ ref('feature_units') }}

),

rule_cut_points as (

    select * from {{ ref('rule_cut_points') }}

),

feature_scales as (
    {{ feature_scales(numbers_in_rules(definitions()), last_date()) }}

),

{{ rules_in_force(definitions(), last_date()) }}

select * from rules_in_force

{{ config(materialized='view') }}
{%- set features = known_features() if execute else {} %}

with customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date = {{ last_date() }}

),

rule_cut_points as (

    select * from {{ ref('rule_cut_points') }}

),

feature_scales as (
    {{ feature_scales(numbers_in_rules(definitions()), features) }}

),

{{ rules_in_force(definitions(), last_date()) }}

select * from rules_in_force

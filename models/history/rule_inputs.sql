{{ config(materialized='view') }}
-- depends_on: {{ ref('score_cut_points') }}

with customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date = {{ last_date() }}

),

{% if definitions() | selectattr('frozen_on') | list -%}
score_cut_points as (

    select * from {{ ref('score_cut_points') }}

),
{%- endif %}

waiting_segments as (

    select * from {{ ref('waiting_segments') }}

),

{{ rule_inputs(definitions()) }}

select * from rule_inputs

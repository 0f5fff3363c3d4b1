{{ config(materialized='view') }}

with customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date = {{ last_date() }}

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

{{ rule_inputs(definitions()) }}

select * from rule_inputs

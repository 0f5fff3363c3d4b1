{{ config(materialized='table') }}

with segment_explanations as (

    select * from {{ ref('segment_explanations') }}

),

rule_cut_points as (

    select * from {{ ref('rule_cut_points') }}

),

{{ pattern_texts(definitions(), last_date(), decided='segment_explanations') }}

select * from pattern_texts

{{ config(materialized='table') }}

with current_segments as (

    select
        customer_id,
        segmentation,
        segment
    from {{ ref('recent_spells') }}
    where is_current

),

combinations as (
    {{ combinations_of('current_segments') }}

)

select * from combinations

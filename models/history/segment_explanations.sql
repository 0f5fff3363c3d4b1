{{ config(materialized='view') }}

with segment_fits as (

    select * from {{ ref('segment_fits') }}

),

waiting_segments as (

    select * from {{ ref('waiting_segments') }}

),

{%- for definition in definitions() %}
{{ explained_cte(definition, loop.index0) }},
{%- endfor %}

explained as (
    {%- for definition in definitions() %}
    select * from {{ definition.name }}_explained
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        segment_fits.customer_id,
        waiting_segments.segmentation,
        cast(null as {{ dbt.type_string() }}) as rule_version,
        waiting_segments.segment,
        waiting_segments.segment as rule_segment,
        cast(0 as bigint) as held_clauses,
        cast(null as double) as fit,
        waiting_segments.segment as nearest_segment
    from segment_fits
    inner join waiting_segments
        on segment_fits.customer_id = waiting_segments.customer_id
    where false
    {%- endfor %}

)

select * from explained

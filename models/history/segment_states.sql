{{ config(materialized='view') }}
{%- for name in segmentations() %}
select
    customer_id,
    as_of_date,
    segmentation,
    segment,
    rule_version,
    held_clauses
from {{ ref(name) }}
{{ 'union all' if not loop.last }}
{%- endfor %}

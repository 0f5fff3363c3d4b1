{{ config(materialized='table') }}
{%- set segmentations = var('segmentations') %}

with combinations as (

    select
        combination,
        {%- for name in segmentations %}
        max({{ name }}) as {{ name }},
        {%- endfor %}
        count(*) as customers
    from {{ ref('customer_combinations') }}
    group by combination

)
{% for name in segmentations %}
select
    combination,
    {{ sql_text(name) }} as segmentation,
    {{ name }} as segment,
    customers
from combinations
where {{ name }} is not null
{{ 'union all' if not loop.last }}
{%- else %}
select
    combination,
    cast(null as {{ dbt.type_string() }}) as segmentation,
    cast(null as {{ dbt.type_string() }}) as segment,
    customers
from combinations
where false
{%- endfor %}

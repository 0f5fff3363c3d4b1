{{ config(materialized='table') }}
{%- set segmentations = var('segmentations') %}

with recent_spells as (

    select * from {{ ref('recent_spells') }}
    where is_current

),

customers as (

    select
        {%- for name in segmentations %}
        max(case when segmentation = {{ sql_text(name) }} then segment end) as {{ name }},
        {%- endfor %}
        customer_id
    from recent_spells
    group by customer_id

),

combinations as (

    select
        {%- for name in segmentations %}
        {{ name }},
        {%- endfor %}
        row_number() over (order by {{ segmentations | join(', ') or 'customers' }}) as combination
    from (
        select
            {%- for name in segmentations %}
            {{ name }},
            {%- endfor %}
            count(*) as customers
        from customers
        {{ 'group by ' ~ segmentations | join(', ') if segmentations }}
    ) as numbered

)

select
    customers.customer_id,
    {%- for name in segmentations %}
    customers.{{ name }},
    {%- endfor %}
    combinations.combination
from customers
inner join combinations
    on
        combinations.combination > 0
        {%- for name in segmentations %}
        and coalesce(customers.{{ name }}, '') = coalesce(combinations.{{ name }}, '')
        {%- endfor %}

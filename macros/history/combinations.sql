{#- A select of `current` (customer_id, segmentation, segment), one row per customer: the
    segment in every segmentation, and a number that customers with the same segments
    share, counted from 1 in the order of the segments' names. -#}
{% macro combinations_of(current) -%}
{%- set segmentations = var('segmentations') -%}
with customers as (

    select
        {%- for name in segmentations %}
        max(case when segmentation = {{ sql_text(name) }} then segment end) as {{ name }},
        {%- endfor %}
        customer_id
    from {{ current }}
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
{%- endmacro %}

{#- A select: the segments of the combinations that combinations_of made, one row per
    combination and segmentation, and how many customers have the combination. -#}
{% macro segments_of_combinations(combinations) -%}
{%- set segmentations = var('segmentations') -%}
with combinations as (

    select
        combination,
        {%- for name in segmentations %}
        max({{ name }}) as {{ name }},
        {%- endfor %}
        count(*) as customers
    from {{ combinations }}
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
{%- endmacro %}

{#- A select of `current` (customer_id, segmentation, segment), one row per customer: the
    segment in every segmentation, and a number that customers with the same segments
    share, counted from 1 in the order of the segments' names. Until the few combinations
    are known, segments are numbers: texts of all customers would be kept in memory. -#}
{% macro combinations_of(current) -%}
{%- set segmentations = segmentations() -%}
with numbers as (

    select
        segmentation,
        segment,
        cast(row_number() over (order by segmentation, segment) as integer) as segment_number
    from (
        select distinct
            segmentation,
            segment
        from {{ current }}
    ) as named

),

customers as (

    select
        {%- for name in segmentations %}
        max(case when numbers.segmentation = {{ sql_text(name) }} then numbers.segment_number end) as number_{{ loop.index }},
        {%- endfor %}
        members.customer_id
    from {{ current }} as members
    inner join numbers
        on
            members.segmentation = numbers.segmentation
            and members.segment = numbers.segment
    group by members.customer_id

),

combinations as (

    select
        {%- for name in segmentations %}
        number_{{ loop.index }},
        {%- endfor %}
        row_number() over (
            order by
                {%- for name in segmentations %}
                number_{{ loop.index }} nulls first,
                {%- endfor %}
                customers
        ) as combination
    from (
        select
            {%- for name in segmentations %}
            number_{{ loop.index }},
            {%- endfor %}
            count(*) as customers
        from customers
        {%- for name in segmentations %}
        {{ 'group by' if loop.first }} number_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    ) as different

)

select
    customers.customer_id,
    {%- for name in segmentations %}
    numbers_{{ loop.index }}.segment as {{ name }},
    {%- endfor %}
    combinations.combination
from customers
inner join combinations
    on
        combinations.combination > 0
        {%- for name in segmentations %}
        and coalesce(customers.number_{{ loop.index }}, 0) = coalesce(combinations.number_{{ loop.index }}, 0)
        {%- endfor %}
{%- for name in segmentations %}
left join numbers as numbers_{{ loop.index }}
    on combinations.number_{{ loop.index }} = numbers_{{ loop.index }}.segment_number
{%- endfor %}
{%- endmacro %}

{#- A select: the segments of the combinations that combinations_of made, one row per
    combination and segmentation, and how many customers have the combination. -#}
{% macro segments_of_combinations(combinations) -%}
{%- set segmentations = segmentations() -%}
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

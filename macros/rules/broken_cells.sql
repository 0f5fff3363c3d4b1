{#- A select: the cells, the combinations of columns, whose customers are in more than one segment of
    a segmentation on the run's last day, or in `nobody_in`, the segment of those who are in no cell.
    If rules use other columns, cells do not decide segments: then it has no row. -#}
{% macro broken_cells(model, name, columns, nobody_in) -%}
{%- set features = definitions() | selectattr('name', 'equalto', name) | sum(attribute='features', start=[]) -%}
{%- if features | reject('in', columns) | list -%}
select 'no cells' as cell where 1 = 0
{%- else -%}
with cells as (

    select
        customer_features.{{ columns | join(',\n        customer_features.') }},
        count(distinct segmentation.segment) as segments,
        max(case when segmentation.segment = '{{ nobody_in }}' then 1 else 0 end) as is_nobodys
    from {{ ref('customer_features') }} as customer_features
    inner join {{ model }} as segmentation
        on
            customer_features.customer_id = segmentation.customer_id
            and customer_features.as_of_date = segmentation.as_of_date
    where
        customer_features.as_of_date = {{ last_date() }}
        {%- for column in columns %}
        and customer_features.{{ column }} is not null
        {%- endfor %}
    group by
        customer_features.{{ columns | join(',\n        customer_features.') }}

)

select *
from cells
where
    segments <> 1
    or is_nobodys = 1
{%- endif -%}
{%- endmacro %}

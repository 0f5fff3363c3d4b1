{#- Fails with the cells, the combinations of columns, whose customers are in more than one segment
    of a segmentation, or in `nobody_in`, the segment of those who are in no cell. Rules that ask for
    anything else than these columns say nothing of cells: then there is nothing to test. -#}
{% test one_segment_per_cell(model, columns, nobody_in) %}
{%- set features = definition_of(model.identifier).clauses | map(attribute='feature') | unique | list if execute else columns %}

{%- if features | reject('in', columns) | list %}
select 'no cells' as cell where false
{%- else %}
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
{%- endif %}

{% endtest %}

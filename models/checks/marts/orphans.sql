{%- set references = [
    ('customer_segments', 'dim_customers', ['customer_id']),
    ('customer_segments', 'dim_segments', ['segmentation', 'segment', 'rule_version']),
    ('fct_customer_features', 'dim_customers', ['customer_id']),
    ('fct_segment_spells', 'dim_segments', ['segmentation', 'segment', 'rule_version']),
    ('fct_segment_daily', 'dim_segments', ['segmentation', 'segment']),
] %}
{%- for child, parent, keys in references %}
select
    '{{ child }} -> {{ parent }}' as reference,
    count(*) as orphans
from {{ ref(child) }} as child
left join (
    select distinct {{ keys | join(', ') }}
    from {{ ref(parent) }}
) as parent
    on
        {%- for key in keys %}
        {{ 'and ' if not loop.first }}child.{{ key }} = parent.{{ key }}
        {%- endfor %}
where parent.{{ keys[0] }} is null
{{ 'union all' if not loop.last }}
{%- endfor %}

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
where
    not exists (
        select 1
        from {{ ref(parent) }} as parent
        where
            true
            {%- for key in keys %}
            and child.{{ key }} = parent.{{ key }}
            {%- endfor %}
    )
{{ 'union all' if not loop.last }}
{%- endfor %}

{%- set references = [
    ('customer_segments', 'dim_customers', ['customer_id'], none),
    ('customer_segments', 'dim_segments', ['segmentation', 'segment', 'rule_version'], none),
    ('fct_customer_features', 'dim_customers', ['customer_id'], none),
    ('fct_segment_spells', 'dim_segments', ['segmentation', 'segment', 'rule_version'], 'valid_to'),
    ('fct_segment_daily', 'dim_segments', ['segmentation', 'segment'], 'as_of_date'),
] %}
{%- for child, parent, keys, since in references %}
select
    '{{ child }} -> {{ parent }}' as reference,
    count(*) as orphans
from {{ ref(child) }} as child
where
    {%- if since %}
    child.{{ since }} >= {{ first_tested() }}
    and
    {%- endif %}
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

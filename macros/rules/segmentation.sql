{#- The whole of a segmentation model: each customer and as-of date in the first
    segment whose rule holds. Columns: customer_id, as_of_date, segmentation,
    segment, rule_version, and held_clauses, a bit for each clause of the
    definition that held (clause 0 is the lowest). -#}
{% macro segmentation() %}
    {%- set definition = definition_of(model.name) if execute
        else {'clauses': [], 'segments': [{'name': 'unparsed'}], 'rule_version': ''} -%}

with customer_features as (

    select * from {{ ref('customer_features') }}

),

rule_cut_points as (

    select * from {{ ref('rule_cut_points') }}

),

tested as (

    select
        customer_features.customer_id,
        customer_features.as_of_date
        {%- for clause in definition.clauses %},
        {{ clause_sql(clause) }} as clause_{{ loop.index0 }}
        {%- endfor %}
    from customer_features
    {%- if definition.clauses | sum(attribute='percentiles', start=[]) %}
    left join rule_cut_points
        on customer_features.as_of_date = rule_cut_points.as_of_date
    {%- endif %}

),

decided as (

    select
        customer_id,
        as_of_date,
        cast('{{ model.name }}' as {{ dbt.type_string() }}) as segmentation,
        {%- if definition.segments | length > 1 %}
        case
            {%- for segment in definition.segments[:-1] %}
            when {{ rule_sql(segment.rule) }} then '{{ segment.name }}'
            {%- endfor %}
            else '{{ definition.segments[-1].name }}'
        end as segment,
        {%- else %}
        '{{ definition.segments[-1].name }}' as segment,
        {%- endif %}
        cast('{{ definition.rule_version }}' as {{ dbt.type_string() }}) as rule_version,
        cast(
            0
            {%- for clause in definition.clauses %}
            + case when clause_{{ loop.index0 }} then {{ 2 ** loop.index0 }} else 0 end
            {%- endfor %}
            as bigint
        ) as held_clauses
    from tested

)

select * from decided
{% endmacro %}

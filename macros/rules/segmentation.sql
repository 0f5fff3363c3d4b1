{#- The whole of a segmentation model: each customer and as-of date in the first
    segment whose rule holds. Columns: customer_id, as_of_date, segmentation,
    segment, rule_version, and held_clauses, a bit for each clause of the
    definition that held (clause 0 is the lowest). `builds_on` names the models
    whose segments its rules ask for with in_segment: dbt has to know them before
    it can read the rules. -#}
{% macro segmentation(builds_on=[]) %}
    {%- set definition = definition_of(model.name) if execute
        else {'clauses': [], 'segments': [{'name': 'unparsed'}], 'rule_version': ''} -%}
    {%- set asked = segments_asked_for(definition) -%}
    {%- for name in asked if name not in builds_on -%}
        {{ exceptions.raise_compiler_error('Segmentation ' ~ model.name ~ ': its rules ask for segments of ' ~ name ~ '. Write {{ segmentation(builds_on='
            ~ asked ~ ') }} in models/segmentations/' ~ model.name ~ '.sql, so that dbt builds these first.') }}
    {%- endfor %}

with customer_features as (

    select * from {{ ref('customer_features') }}

),

rule_cut_points as (

    select * from {{ ref('rule_cut_points') }}

),

score_cut_points as (

    select * from {{ ref('score_cut_points') }}

),

{%- for name in builds_on %}

{{ name }} as (

    select
        customer_id,
        as_of_date,
        segment
    from {{ ref(name) }}

),
{%- endfor %}

decided as (

    select
        customer_features.customer_id,
        customer_features.as_of_date,
        cast('{{ model.name }}' as {{ dbt.type_string() }}) as segmentation,
        {{ first_that_holds(definition) }} as segment,
        cast('{{ definition.rule_version }}' as {{ dbt.type_string() }}) as rule_version,
        {{ held_bits(definition) }} as held_clauses
    from customer_features
    {{ rule_joins(definition) }}

)

select * from decided
{% endmacro %}

{#- What the clauses of a definition compare with, joined to customer_features: the
    cut points of the day, or the frozen ones, and the segments it builds on. -#}
{% macro rule_joins(definition) -%}
    {%- set day = cut_point_day(definition, 'customer_features.as_of_date') -%}
    {%- if definition.clauses | sum(attribute='percentiles', start=[]) %}
    left join rule_cut_points
        on {{ day }} = rule_cut_points.as_of_date
    {%- endif -%}
    {%- if definition.frozen_on %}
    left join score_cut_points
        on {{ day }} = score_cut_points.as_of_date
    {%- endif -%}
    {%- for name in segments_asked_for(definition) %}
    left join {{ name }}
        on
            customer_features.customer_id = {{ name }}.customer_id
            and customer_features.as_of_date = {{ name }}.as_of_date
    {%- endfor -%}
{%- endmacro %}

{#- The day whose cut points a definition uses on a day: the same one, or the day on
    which they are frozen where that is earlier. -#}
{% macro cut_point_day(definition, day) -%}
    {{ return('least(' ~ day ~ ", cast('" ~ definition.frozen_on ~ "' as date))" if definition.frozen_on else day) }}
{%- endmacro %}

{#- The name of the segment that the rules of a definition decide, over its clauses or
    over the bits of a column such as held_clauses. A clause is looked at only where the
    ones before it do not decide. -#}
{% macro first_that_holds(definition, held=none) -%}
    {%- set last = "'" ~ definition.segments[-1].name ~ "'" -%}
    {%- if definition.segments | length > 1 -%}
        case
            {%- for segment in definition.segments[:-1] %}
            when {{ rule_sql(segment.rule, definition.clauses, held) }} then '{{ segment.name }}'
            {%- endfor %}
            else {{ last }}
        end
    {%- else -%}
        {{ last }}
    {%- endif -%}
{%- endmacro %}

{#- The segmentations whose segments the clauses of a definition ask for. -#}
{% macro segments_asked_for(definition) -%}
    {{ return(definition.clauses | selectattr('operator', 'equalto', 'in segment') | map(attribute='feature') | unique | list) }}
{%- endmacro %}

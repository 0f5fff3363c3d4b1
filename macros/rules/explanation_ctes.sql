{#- The common table expressions that say, for one segmentation on one day, what the
    rules decide and how near the other segments are. The last, <name>_explained, has
    a row per customer: customer_id, segmentation, rule_version, segment (the one that
    counts), rule_segment (the one that the rules decide today), held_clauses, fit and
    nearest_segment.
    They read customer_features of the day (a date as SQL), current_segments
    (customer_id, segmentation, segment), feature_scales, rule_cut_points and
    score_cut_points, and those of the segmentations that it builds on. -#}
{% macro explanation_ctes(definition, day) -%}
    {%- set name = definition.name -%}
    {%- set rules = definition.segments | rejectattr('is_default') | list -%}
    {%- set last = definition.segments[-1] -%}
    {%- set numbers = features_in_rules(definition, 'number') -%}
    {%- set fits = rules | map(attribute='position') | map('string') | list -%}
    {%- set scaled = {} -%}
    {%- for feature in numbers -%}
        {%- do scaled.update({feature: 'scaled_' ~ loop.index0}) -%}
    {%- endfor -%}

{{ name }}_scaled as (

    select
        customer_features.*
        {%- for feature, value in numbers.items() %},
        {{ value }} / feature_scales.{{ feature }} as scaled_{{ loop.index0 }}
        {%- endfor %}
    from customer_features
    cross join feature_scales
    {%- if definition.frozen_on %}
    left join score_cut_points
        on {{ cut_point_day(definition, 'customer_features.as_of_date') }} = score_cut_points.as_of_date
    {%- endif %}

),

{{ name }}_tested as (

    select
        customer_features.customer_id,
        {%- for clause in definition.clauses %}
        {{ clause_sql(clause) }} as clause_{{ loop.index0 }},
        {{ clause_fit_sql(clause, scaled) }} as distance_{{ loop.index0 }},
        {%- endfor %}
        current_segments.segment,
        case current_segments.segment
            {%- for segment in definition.segments %}
            when '{{ segment.name }}' then {{ segment.position }}
            {%- endfor %}
            -- The rules no longer have it, and somebody waits in it for a confirmation.
            else 0
        end as own_position
    from {{ name }}_scaled as customer_features
    inner join current_segments
        on
            customer_features.customer_id = current_segments.customer_id
            and current_segments.segmentation = '{{ name }}'
    cross join feature_scales
    {{ rule_joins(definition) }}

),

{{ name }}_measured as (

    select
        customer_id,
        segment,
        own_position,
        {{ first_that_holds(definition, positions=true) }} as rule_position,
        {{ held_bits(definition) }} as held_clauses
        {%- for segment in rules %},
        {{ rule_fit_sql(segment.rule) }} as fit_{{ segment.position }}
        {%- endfor %}
    from {{ name }}_tested

),

-- The last segment is as near as the rules are far; of equals a rule comes first.
{{ name }}_compared as (

    select
        *,
        {%- if rules %}
        -greatest(-30, fit_{{ fits | join(', fit_') }}) - 0.000000001 as fit_{{ last.position }}
        {%- else %}
        cast(30 as double) as fit_{{ last.position }}
        {%- endif %}
    from {{ name }}_measured

),

{{ name }}_ranked as (

    select
        *,
        case own_position
            {%- for segment in definition.segments %}
            when {{ segment.position }} then fit_{{ segment.position }}
            {%- endfor %}
        end as own_fit,
        greatest(
            {%- for segment in definition.segments %}
            case when own_position <> {{ segment.position }} then fit_{{ segment.position }} end,
            {%- endfor %}
            -1000000
        ) as other_fit
    from {{ name }}_compared

),

{{ name }}_explained as (

    select
        customer_id,
        cast('{{ name }}' as {{ dbt.type_string() }}) as segmentation,
        cast('{{ definition.rule_version }}' as {{ dbt.type_string() }}) as rule_version,
        segment,
        case rule_position
            {%- for segment in definition.segments %}
            when {{ segment.position }} then '{{ segment.name }}'
            {%- endfor %}
        end as rule_segment,
        held_clauses,
        -- The rule that decides holds, and those before it do not, whatever is rounded.
        case
            when own_position = rule_position then greatest(squashed_fit, 0.5)
            when own_position < rule_position then least(squashed_fit, 0.499999999)
            else squashed_fit
        end as fit,
        case
            {%- for segment in definition.segments %}
            when own_position <> {{ segment.position }} and fit_{{ segment.position }} = other_fit then '{{ segment.name }}'
            {%- endfor %}
        end as nearest_segment
    from (
        select
            *,
            1 / (1 + exp(-least(greatest(own_fit, -30), 30))) as squashed_fit
        from {{ name }}_ranked
    ) as squashed

),

-- What in_segment asks for.
{{ name }} as (

    select
        customer_id,
        {{ day }} as as_of_date,
        rule_segment as segment
    from {{ name }}_explained

)
{%- endmacro %}

{#- The features of a kind (number or text) that the clauses of a definition are
    about, {feature: SQL}, in order. -#}
{% macro features_in_rules(definition, kind) %}
    {%- set found = {} -%}
    {%- for clause in definition.clauses | sort(attribute='feature') -%}
        {%- if feature_kind(clause.data_type) == kind and clause.operator != 'in segment' -%}
            {%- do found.update({clause.feature: clause.value}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

{#- A bit for each clause of a definition that holds, over the columns clause_<i>. -#}
{% macro held_bits(definition) -%}
    cast(
            0
            {%- for clause in definition.clauses %}
            + case when clause_{{ loop.index0 }} then {{ 2 ** loop.index0 }} else 0 end
            {%- endfor %}
            as bigint
        )
{%- endmacro %}

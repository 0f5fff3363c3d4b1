{#- The common table expressions that explain one segmentation on one day. The last,
    <name>_explained, has a row per customer: customer_id, segmentation,
    rule_version, segment (the one that counts), rule_segment (the one that the
    rules decide today), held_clauses, fit, nearest_segment, and the smallest change
    of one feature that makes the rules decide for nearest_segment: change_feature,
    change_from, change_to (null where no change of a single one does).
    They read customer_features of the day (a date as SQL), current_segments
    (customer_id, segmentation, segment), feature_scales, rule_cut_points and
    score_cut_points, and those of the segmentations that it builds on. -#}
{% macro explanation_ctes(definition, day) -%}
    {%- set name = definition.name -%}
    {%- set rules = definition.segments | rejectattr('is_default') | list -%}
    {%- set last = definition.segments[-1] -%}
    {%- set numbers = features_in_rules(definition, 'number') -%}
    {%- set texts = features_in_rules(definition, 'text') -%}
    {%- set fits = rules | map(attribute='position') | map('string') | list -%}

{{ name }}_cut_points as (

    select *
    from rule_cut_points
    where as_of_date = {{ cut_point_day(definition, day) }}

),

{{ name }}_tested as (

    select
        customer_features.customer_id,
        {%- for clause in definition.clauses %}
        {{ clause_sql(clause) }} as clause_{{ loop.index0 }},
        {{ clause_fit_sql(clause) }} as distance_{{ loop.index0 }},
        {%- endfor %}
        {%- for feature, value in numbers.items() %}
        cast({{ value }} as double) as number_{{ loop.index0 }},
        {%- endfor %}
        {%- for feature, value in texts.items() %}
        {{ value }} as text_{{ loop.index0 }},
        {%- endfor %}
        current_segments.segment
    from customer_features
    inner join current_segments
        on
            customer_features.customer_id = current_segments.customer_id
            and current_segments.segmentation = '{{ name }}'
    cross join feature_scales
    {{ rule_joins(definition) }}

),

{{ name }}_measured as (

    select
        *,
        {{ first_that_holds(definition) }} as rule_segment,
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
        case segment
            {%- for segment in definition.segments %}
            when '{{ segment.name }}' then fit_{{ segment.position }}
            {%- endfor %}
        end as own_distance,
        greatest(
            {%- for segment in definition.segments %}
            case when segment <> '{{ segment.name }}' then fit_{{ segment.position }} end,
            {%- endfor %}
            -1000000
        ) as other_distance
    from {{ name }}_compared

),

{{ name }}_fits as (

    select
        customer_id,
        segment,
        rule_segment,
        held_clauses,
        {%- for feature in numbers %}
        number_{{ loop.index0 }},
        {%- endfor %}
        {%- for feature in texts %}
        text_{{ loop.index0 }},
        {%- endfor %}
        1 / (1 + exp(-least(greatest(own_distance, -30), 30))) as fit,
        case
            {%- for segment in definition.segments %}
            when segment <> '{{ segment.name }}' and fit_{{ segment.position }} = other_distance then '{{ segment.name }}'
            {%- endfor %}
        end as nearest_segment
    from {{ name }}_ranked

),

{% if numbers or texts -%}
-- What a change leads to depends on the clauses that hold alone: it is looked up
-- once for all customers of whom the same ones hold.
{{ name }}_patterns as (

    select distinct
        held_clauses,
        nearest_segment
    from {{ name }}_fits
    where nearest_segment <> rule_segment

),

-- The values next to the boundaries of the clauses of each feature, with the bits
-- of the clauses that would hold, of those that are about the feature.
{{ name }}_values as (
    {{ changes_to_try(definition, numbers, texts) }}

),

{{ name }}_tried as (

    select
        patterns.held_clauses,
        patterns.nearest_segment,
        tried.feature_number,
        tried.new_number,
        tried.new_text,
        patterns.held_clauses - (patterns.held_clauses & tried.feature_bits) + tried.held_bits as new_held_clauses
    from {{ name }}_patterns as patterns
    cross join {{ name }}_values as tried

),

{{ name }}_outcomes as (

    select
        *,
        {{ first_that_holds(definition, 'new_held_clauses') }} = nearest_segment as is_reached
    from {{ name }}_tried

),

-- Of a range of values that all lead there, its ends are enough.
{{ name }}_ranges as (

    select
        *,
        lag(is_reached, 1, false) over (
            partition by held_clauses, nearest_segment, feature_number order by new_number, new_text
        ) as is_reached_below,
        lead(is_reached, 1, false) over (
            partition by held_clauses, nearest_segment, feature_number order by new_number, new_text
        ) as is_reached_above
    from {{ name }}_outcomes

),

{{ name }}_changes as (

    select
        *,
        row_number() over (
            partition by held_clauses, nearest_segment
            order by feature_number, new_number, case when new_text = 'another value' then 1 else 0 end, new_text
        ) as change_number
    from {{ name }}_ranges
    where
        is_reached
        and (new_text is not null or not (is_reached_below and is_reached_above))

),

{{ name }}_smallest as (

    select
        fits.customer_id,
        min_by(
            changes.change_number,
            case changes.feature_number
                when -1 then 0
                {%- for feature in numbers %}
                when {{ loop.index0 }} then
                    coalesce(abs(changes.new_number - fits.number_{{ loop.index0 }}) / feature_scales.{{ feature }}, 1)
                {%- endfor %}
                else 1
            end + changes.change_number * 0.000000001
        ) as change_number
    from {{ name }}_fits as fits
    inner join {{ name }}_changes as changes
        on
            fits.held_clauses = changes.held_clauses
            and fits.nearest_segment = changes.nearest_segment
    cross join feature_scales
    group by fits.customer_id

),

{% endif -%}
{{ name }}_explained as (

    select
        fits.customer_id,
        cast('{{ name }}' as {{ dbt.type_string() }}) as segmentation,
        cast('{{ definition.rule_version }}' as {{ dbt.type_string() }}) as rule_version,
        fits.segment,
        fits.rule_segment,
        fits.held_clauses,
        fits.fit,
        fits.nearest_segment,
        {%- if numbers or texts %}
        case changes.feature_number
            {%- for feature in numbers %}
            when {{ loop.index0 }} then '{{ feature }}'
            {%- endfor %}
            {%- for feature in texts %}
            when {{ numbers | length + loop.index0 }} then '{{ feature }}'
            {%- endfor %}
        end as change_feature,
        case changes.feature_number
            {%- for feature in numbers %}
            when {{ loop.index0 }} then {{ number_text('fits.number_' ~ loop.index0) }}
            {%- endfor %}
            {%- for feature in texts %}
            when {{ numbers | length + loop.index0 }} then fits.text_{{ loop.index0 }}
            {%- endfor %}
        end as change_from,
        coalesce(changes.new_text, {{ number_text('changes.new_number') }}) as change_to
        {%- else %}
        cast(null as {{ dbt.type_string() }}) as change_feature,
        cast(null as {{ dbt.type_string() }}) as change_from,
        cast(null as {{ dbt.type_string() }}) as change_to
        {%- endif %}
    from {{ name }}_fits as fits
    {%- if numbers or texts %}
    left join {{ name }}_smallest as smallest
        on fits.customer_id = smallest.customer_id
    left join {{ name }}_changes as changes
        on
            fits.held_clauses = changes.held_clauses
            and fits.nearest_segment = changes.nearest_segment
            and smallest.change_number = changes.change_number
    {%- endif %}

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

{#- A select of the values that a feature may be changed to: feature_number,
    new_number or new_text, feature_bits (those of all clauses about the feature) and
    held_bits (those of them that hold of the value). Of a number these are 0, the
    values that its clauses name and their neighbours, 1 away for whole numbers, else
    0.01, or 0.0001 for values below 2, as shares are; of a text those that its
    clauses name and 'another value'. -#}
{% macro changes_to_try(definition, numbers, texts) -%}
    {%- set selects = [] -%}
    {%- for feature in (numbers | list) + (texts | list) -%}
        {%- set is_number = feature in numbers -%}
        {%- set literals = ['0'] if is_number else ["'another value'"] -%}
        {%- set bits = [] -%}
        {%- set own_bits = namespace(sum=0) -%}
        {%- for clause in definition.clauses -%}
            {%- if clause.feature == feature -%}
                {%- set own_bits.sum = own_bits.sum + 2 ** loop.index0 -%}
                {%- do bits.append('case when ' ~ clause_sql(dict(clause, value='tried.value')) ~ ' then ' ~ 2 ** loop.index0 ~ ' else 0 end') -%}
                {%- for literal in clause.literals -%}
                    {%- set step = '1' if clause.data_type == 'bigint' else 'case when abs(' ~ literal ~ ') < 2 then 0.0001 else 0.01 end' -%}
                    {%- do literals.extend([literal, literal ~ ' - ' ~ step, literal ~ ' + ' ~ step] if is_number else [literal]) -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set number = loop.index0 -%}
        {%- set values = [] -%}
        {%- for literal in literals | unique -%}
            {%- do values.append('select cast(' ~ literal ~ ' as ' ~ ('double' if is_number else dbt.type_string()) ~ ') as value'
                ~ (' from ' ~ definition.name ~ '_cut_points as rule_cut_points' if 'rule_cut_points' in literal else '')) -%}
        {%- endfor -%}
        {%- set joins = '\n    cross join ' ~ definition.name ~ '_cut_points as rule_cut_points' if 'rule_cut_points' in (bits | join) else '' -%}
        {%- do selects.append('select\n        ' ~ number ~ ' as feature_number,\n        '
                ~ ('tried.value' if is_number else 'cast(null as double)') ~ ' as new_number,\n        '
                ~ ('cast(null as ' ~ dbt.type_string() ~ ')' if is_number else 'tried.value') ~ ' as new_text,\n        '
                ~ 'cast(' ~ own_bits.sum ~ ' as bigint) as feature_bits,\n        cast(' ~ (bits | join('\n            + ')) ~ ' as bigint) as held_bits\n    from ('
                ~ (values | join('\n        union\n        ')) ~ '\n    ) as tried' ~ joins ~ '\n    where tried.value is not null') -%}
    {%- endfor -%}
    {{ return(selects | join('\n    union all\n    ')) }}
{%- endmacro %}

{#- A number as text, without needless decimals. -#}
{% macro number_text(value) -%}
    case
                when {{ value }} = floor({{ value }}) then cast(cast({{ value }} as bigint) as {{ dbt.type_string() }})
                else cast(round({{ value }}, 4) as {{ dbt.type_string() }})
            end
{%- endmacro %}

{#- What macros/python/rule_fits.py has to know of some definitions: `described`, what is
    in them, for JSON; `limits`, what their clauses compare with, and `inputs`, what they
    are about, as {column: SQL}. Cut points are read from rule_cut_points_<i> and
    score_cut_points_<i>, for each definition has days of its own. -#}
{% macro rules_as_data(definitions) %}
    {%- set described = [] -%}
    {%- set limits = {} -%}
    {%- set inputs = {} -%}
    {%- for definition in definitions -%}
        {%- set number = loop.index0 -%}
        {%- set clauses = [] -%}
        {%- for clause in definition.clauses -%}
            {%- set kind = 'segment' if clause.operator == 'in segment' else feature_kind(clause.data_type) -%}
            {%- set place = number ~ '_' ~ loop.index0 -%}
            {%- set column = ('frozen_' ~ number ~ '_' if definition.frozen_on else '') ~ clause.feature -%}
            {%- set compared = [] -%}
            {%- for literal in clause.literals -%}
                {%- if kind == 'segment' -%}
                    {%- do compared.append(literal | replace("'", '')) -%}
                {%- else -%}
                    {%- set limit = 'limit_' ~ place ~ '_' ~ loop.index0 -%}
                    {%- do compared.append(limit) -%}
                    {%- do limits.update({limit: comparable(literal | replace('rule_cut_points.', 'rule_cut_points_' ~ number ~ '.'), kind)}) -%}
                {%- endif -%}
            {%- endfor -%}
            {%- if kind != 'segment' -%}
                {%- do inputs.update({column: comparable(clause.value | replace('score_cut_points.', 'score_cut_points_' ~ number ~ '.'), kind)}) -%}
            {%- endif -%}
            {%- do clauses.append({
                'kind': 'text' if kind == 'boolean' else kind,
                'operator': clause.operator,
                'column': clause.feature if kind == 'segment' else column,
                'limits': compared,
                'unit': 'unit_' ~ clause.feature if kind == 'number' else none,
                'is_whole': clause.data_type == 'bigint',
            }) -%}
        {%- endfor -%}
        {%- set segments = [] -%}
        {%- for segment in definition.segments -%}
            {%- do segments.append({'name': segment.name, 'rule': segment.rule}) -%}
        {%- endfor -%}
        {%- do described.append({'name': definition.name, 'clauses': clauses, 'segments': segments}) -%}
    {%- endfor -%}
    {{ return({'described': described, 'limits': limits, 'inputs': inputs}) }}
{% endmacro %}

{#- The common table expression rules_in_force, one row: `rules`, the definitions as
    JSON, and the numbers in them, which depend on the day (a date as SQL): a column per
    value that a clause compares with, and the robust unit of each feature, unit_<feature>.
    It reads feature_scales and rule_cut_points. -#}
{% macro rules_in_force(definitions, day) -%}
    {%- set data = rules_as_data(definitions) -%}
rules_in_force as (

    select
        {{ sql_text(tojson(data.described)) }} as rules
        {%- for column, literal in data.limits.items() %},
        {{ literal }} as {{ column }}
        {%- endfor %}
        {%- for feature in numbers_in_rules(definitions) %},
        coalesce(feature_scales.{{ feature }}, 1) as unit_{{ feature }}
        {%- endfor %}
    from (select {{ day }} as as_of_date) as run_day
    left join feature_scales
        on run_day.as_of_date = feature_scales.as_of_date
    {%- for definition in definitions %}
    {%- if definition.clauses | sum(attribute='percentiles', start=[]) %}
    left join rule_cut_points as rule_cut_points_{{ loop.index0 }}
        on {{ cut_point_day(definition, day) }} = rule_cut_points_{{ loop.index0 }}.as_of_date
    {%- endif %}
    {%- endfor %}

)
{%- endmacro %}

{#- The common table expression rule_inputs, a row per customer: customer_id, a column per
    feature that a rule is about, and for each segmentation counts_<i>, the position of
    the segment that counts, 0 where the rules no longer have it, null where the customer
    has none. It reads customer_features of one day, current_segments (customer_id,
    segmentation, segment) and score_cut_points. -#}
{% macro rule_inputs(definitions) -%}
rule_inputs as (

    select
        customer_features.customer_id
        {%- for column, value in rules_as_data(definitions).inputs.items() %},
        {{ value }} as {{ column }}
        {%- endfor %}
        {%- for definition in definitions %},
        {%- set counts = 'current_segments_' ~ loop.index0 ~ '.segment' %}
        case
            when {{ counts }} is null then null
            {%- for segment in definition.segments %}
            when {{ counts }} = '{{ segment.name }}' then {{ segment.position }}
            {%- endfor %}
            else 0
        end as counts_{{ loop.index0 }}
        {%- endfor %}
    from customer_features
    {%- for definition in definitions %}
    left join current_segments as current_segments_{{ loop.index0 }}
        on
            customer_features.customer_id = current_segments_{{ loop.index0 }}.customer_id
            and current_segments_{{ loop.index0 }}.segmentation = '{{ definition.name }}'
    {%- if definition.frozen_on %}
    left join score_cut_points as score_cut_points_{{ loop.index0 }}
        on {{ cut_point_day(definition, 'customer_features.as_of_date') }} = score_cut_points_{{ loop.index0 }}.as_of_date
    {%- endif %}
    {%- endfor %}

)
{%- endmacro %}

{#- A value of a kind as SQL in the type that Python compares: numbers as doubles, dates
    as days since 1970, everything else as text. -#}
{% macro comparable(value, kind) -%}
    {%- if kind == 'number' -%}
        {{ return('cast(' ~ value ~ ' as double)') }}
    {%- elif kind == 'date' -%}
        {{ return('cast(' ~ (days_between("cast('1970-01-01' as date)", value) | trim) ~ ' as double)') }}
    {%- endif -%}
    {{ return('cast(' ~ value ~ ' as ' ~ dbt.type_string() ~ ')') }}
{%- endmacro %}

{#- The common table expression <name>_explained of one segmentation: a row per customer
    with customer_id, segmentation, rule_version, segment (the one that counts),
    rule_segment (the one that the rules decide today), held_clauses, fit and
    nearest_segment. It reads segment_fits, which rule_fits.py computes, and
    current_segments; `number` is the place among the definitions. -#}
{% macro explained_cte(definition, number) -%}
{{ definition.name }}_explained as (

    select
        segment_fits.customer_id,
        cast('{{ definition.name }}' as {{ dbt.type_string() }}) as segmentation,
        cast('{{ definition.rule_version }}' as {{ dbt.type_string() }}) as rule_version,
        current_segments.segment,
        case segment_fits.decided_{{ number }}
            {%- for segment in definition.segments %}
            when {{ segment.position }} then '{{ segment.name }}'
            {%- endfor %}
        end as rule_segment,
        segment_fits.held_{{ number }} as held_clauses,
        segment_fits.fit_{{ number }} as fit,
        case segment_fits.nearest_{{ number }}
            {%- for segment in definition.segments %}
            when {{ segment.position }} then '{{ segment.name }}'
            {%- endfor %}
        end as nearest_segment
    from segment_fits
    inner join current_segments
        on
            segment_fits.customer_id = current_segments.customer_id
            and current_segments.segmentation = '{{ definition.name }}'

)
{%- endmacro %}

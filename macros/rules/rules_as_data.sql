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
        feature_scales.{{ feature }} as unit_{{ feature }}
        {%- endfor %}
    from feature_scales
    {%- for definition in definitions %}
    {%- if definition.clauses | sum(attribute='percentiles', start=[]) %}
    left join rule_cut_points as rule_cut_points_{{ loop.index0 }}
        on {{ cut_point_day(definition, day) }} = rule_cut_points_{{ loop.index0 }}.as_of_date
    {%- endif %}
    {%- endfor %}

)
{%- endmacro %}

{#- The common table expression rule_inputs, a row per customer: customer_id, a column per
    feature that a rule is about, and for each segmentation in which a move has to be
    confirmed counts_<i>, the position of the segment that counts while the customer
    waits, 0 where the rules no longer have it, null where what they decide counts. It
    reads customer_features of one day, waiting_segments (customer_id, segmentation,
    segment that counts; those who do not wait may be there, too) and score_cut_points. -#}
{% macro rule_inputs(definitions) -%}
{%- set confirmed = definitions | selectattr('confirm_days', '>', 1) | list -%}
{%- if confirmed -%}
waiting_customers as (

    select
        customer_id
        {%- for definition in confirmed %},
        max(case
            when segmentation <> '{{ definition.name }}' then null
            {%- for segment in definition.segments %}
            when segment = '{{ segment.name }}' then {{ segment.position }}
            {%- endfor %}
            else 0
        end) as counts_{{ definitions.index(definition) }}
        {%- endfor %}
    from waiting_segments
    group by customer_id

),

{% endif -%}
rule_inputs as (

    select
        customer_features.customer_id
        {%- for column, value in rules_as_data(definitions).inputs.items() %},
        {{ value }} as {{ column }}
        {%- endfor %}
        {%- for definition in confirmed %},
        waiting_customers.counts_{{ definitions.index(definition) }}
        {%- endfor %}
    from customer_features
    {%- if confirmed %}
    left join waiting_customers
        on customer_features.customer_id = waiting_customers.customer_id
    {%- endif %}
    {%- for definition in definitions %}
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
    waiting_segments as rule_inputs does; `number` is the place among the definitions. -#}
{% macro explained_cte(definition, number) -%}
{%- set waits = definition.confirm_days > 1 -%}
{{ definition.name }}_explained as (

    select
        segment_fits.customer_id,
        cast('{{ definition.name }}' as {{ dbt.type_string() }}) as segmentation,
        cast('{{ definition.rule_version }}' as {{ dbt.type_string() }}) as rule_version,
        {% if waits %}coalesce(waiting_segments.segment, {% endif %}{{ segment_at(definition, 'decided_' ~ number) }}{{ ')' if waits }} as segment,
        {{ segment_at(definition, 'decided_' ~ number) }} as rule_segment,
        segment_fits.held_{{ number }} as held_clauses,
        segment_fits.fit_{{ number }} as fit,
        {{ segment_at(definition, 'nearest_' ~ number) }} as nearest_segment
    from segment_fits
    {%- if waits %}
    left join waiting_segments
        on
            segment_fits.customer_id = waiting_segments.customer_id
            and waiting_segments.segmentation = '{{ definition.name }}'
    {%- endif %}

)
{%- endmacro %}

{#- The name of the segment at the position that a column of segment_fits gives. -#}
{% macro segment_at(definition, column) -%}
case segment_fits.{{ column }}
            {%- for segment in definition.segments %}
            when {{ segment.position }} then '{{ segment.name }}'
            {%- endfor %}
        end
{%- endmacro %}

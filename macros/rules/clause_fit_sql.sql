{#- How far a customer is inside (positive) or outside (negative) a parsed clause, in
    robust units of the feature (its column in feature_scales): one unit for
    features without order and for missing values, never 0. The boundaries of a
    whole number lie half-way to the next one. -#}
{% macro clause_fit_sql(clause) %}
    {%- set distance = '1' -%}
    {%- if feature_kind(clause.data_type) == 'number' and clause.operator not in ['is null', 'is not null'] -%}
        {%- set half = 0.5 if clause.data_type == 'bigint' else 0 -%}
        {%- set lower = {'>=': -half, '<': -half, '>': half, '<=': half} -%}
        {%- set gaps = [] -%}
        {%- for literal in clause.literals -%}
            {%- if clause.operator in lower -%}
                {%- do gaps.append('abs(' ~ clause.value ~ ' - ' ~ literal ~ ' - ' ~ lower[clause.operator] ~ ')') -%}
            {%- elif clause.operator == 'between' -%}
                {%- do gaps.append('abs(' ~ clause.value ~ ' - ' ~ literal ~ (' + ' if loop.first else ' - ') ~ half ~ ')') -%}
            {%- else -%}
                {%- do gaps.append('abs(abs(' ~ clause.value ~ ' - ' ~ literal ~ ') - ' ~ half ~ ')') -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set nearest = extreme(gaps, 'least') ~ ' / feature_scales.' ~ clause.feature -%}
        {%- set distance = 'greatest(coalesce(' ~ nearest ~ ', 1), 0.000000001)' -%}
    {%- endif -%}
    {{ return('case when ' ~ clause_sql(clause) ~ ' then ' ~ distance ~ ' else -' ~ distance ~ ' end') }}
{% endmacro %}

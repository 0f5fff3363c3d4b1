{#- How far a customer is inside (positive) or outside (negative) a parsed
    clause, in robust units of the feature (its column in feature_scales): one
    unit for features without order and for missing values, never 0. The
    boundaries of a whole number lie half-way to the next one. -#}
{% macro clause_fit_sql(clause, features) %}
    {%- set data_type = features[clause.feature].data_type | lower -%}
    {%- set value = 'customer_features.' ~ clause.feature -%}
    {%- set distance = '1' -%}
    {%- if feature_kind(data_type) == 'number' and clause.operator not in ['is null', 'is not null'] -%}
        {%- set half = 0.5 if data_type == 'bigint' else 0 -%}
        {%- set lower = {'>=': -half, '<': -half, '>': half, '<=': half} -%}
        {%- set gaps = [] -%}
        {%- for literal in clause.literals -%}
            {%- if clause.operator in lower -%}
                {%- do gaps.append('abs(' ~ value ~ ' - ' ~ literal ~ ' - ' ~ lower[clause.operator] ~ ')') -%}
            {%- elif clause.operator == 'between' -%}
                {%- do gaps.append('abs(' ~ value ~ ' - ' ~ literal ~ (' + ' if loop.first else ' - ') ~ half ~ ')') -%}
            {%- else -%}
                {%- do gaps.append('abs(abs(' ~ value ~ ' - ' ~ literal ~ ') - ' ~ half ~ ')') -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set nearest = gaps[0] if gaps | length == 1 else 'least(' ~ (gaps | join(', ')) ~ ')' -%}
        {%- set distance = 'coalesce(' ~ nearest ~ ' / feature_scales.' ~ clause.feature ~ ', 1)' -%}
    {%- endif -%}
    {{ return('case when ' ~ clause_sql(clause) ~ ' then 1 else -1 end * greatest(' ~ distance ~ ', 0.000000001)') }}
{% endmacro %}

{#- How far a customer is inside (positive) or outside (negative) a parsed clause, in
    robust units of the feature: one unit for features without order and for
    missing values. The boundaries of a whole number lie half-way to the next one;
    just on the boundary of a number with decimals a strict clause is a trifle
    outside. `scaled` maps features to their values in units, as SQL;
    feature_scales has the units. -#}
{% macro clause_fit_sql(clause, scaled) %}
    {%- if clause.feature not in scaled or clause.operator in ['is null', 'is not null'] -%}
        {{ return('case when ' ~ clause_sql(clause) ~ ' then 1.0 else -1.0 end') }}
    {%- endif -%}
    {%- set unit = 'feature_scales.' ~ clause.feature -%}
    {%- set value = scaled[clause.feature] -%}
    {%- set half = 0.5 if clause.data_type == 'bigint' else 0 -%}
    {%- set trifle = '' if half else ' - 0.000000001' -%}
    {%- set first = clause.literals[0] -%}
    {%- if clause.operator in ['>=', '>'] -%}
        {%- set distance = value ~ ' - (' ~ first ~ (' - ' if clause.operator == '>=' else ' + ') ~ half ~ ') / ' ~ unit
            ~ (trifle if clause.operator == '>' else '') -%}
    {%- elif clause.operator in ['<=', '<'] -%}
        {%- set distance = '(' ~ first ~ (' + ' if clause.operator == '<=' else ' - ') ~ half ~ ') / ' ~ unit ~ ' - ' ~ value
            ~ (trifle if clause.operator == '<' else '') -%}
    {%- elif clause.operator == 'between' -%}
        {%- set distance = 'least(' ~ value ~ ' - (' ~ first ~ ' - ' ~ half ~ ') / ' ~ unit ~ ', ('
            ~ clause.literals[1] ~ ' + ' ~ half ~ ') / ' ~ unit ~ ' - ' ~ value ~ ')' -%}
    {%- else -%}
        {%- set gaps = [] -%}
        {%- for literal in clause.literals -%}
            {%- do gaps.append('abs(' ~ value ~ ' - ' ~ literal ~ ' / ' ~ unit ~ ')') -%}
        {%- endfor -%}
        {%- set nearest = extreme(gaps, 'least') -%}
        {%- set width = half ~ ' / ' ~ unit -%}
        {%- set distance = nearest ~ ' - ' ~ width ~ trifle if clause.operator in ['!=', 'not in'] else width ~ ' - ' ~ nearest -%}
    {%- endif -%}
    {{ return('coalesce(' ~ distance ~ ', -1)') }}
{% endmacro %}

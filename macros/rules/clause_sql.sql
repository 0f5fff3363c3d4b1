{#- Whether a parsed clause holds: true or false, false for a missing value. -#}
{% macro clause_sql(clause) %}
    {%- if clause.operator in ['is null', 'is not null'] -%}
        {{ return(clause.value ~ ' ' ~ clause.operator) }}
    {%- elif clause.operator == 'between' -%}
        {{ return('coalesce(' ~ clause.value ~ ' between ' ~ (clause.literals | join(' and ')) ~ ', false)') }}
    {%- elif clause.operator in ['in', 'not in'] -%}
        {{ return('coalesce(' ~ clause.value ~ ' ' ~ clause.operator ~ ' (' ~ (clause.literals | join(', ')) ~ '), false)') }}
    {%- endif -%}
    {%- set operator = {'!=': '<>', 'in segment': '='}.get(clause.operator, clause.operator) -%}
    {{ return('coalesce(' ~ clause.value ~ ' ' ~ operator ~ ' ' ~ clause.literals[0] ~ ', false)') }}
{% endmacro %}

{#- Whether a parsed clause holds: true or false, false for a missing value. -#}
{% macro clause_sql(clause) %}
    {%- set feature = 'customer_features.' ~ clause.feature -%}
    {%- if clause.operator in ['is null', 'is not null'] -%}
        {{ return(feature ~ ' ' ~ clause.operator) }}
    {%- elif clause.operator == 'between' -%}
        {{ return('coalesce(' ~ feature ~ ' between ' ~ (clause.literals | join(' and ')) ~ ', false)') }}
    {%- elif clause.operator in ['in', 'not in'] -%}
        {{ return('coalesce(' ~ feature ~ ' ' ~ clause.operator ~ ' (' ~ (clause.literals | join(', ')) ~ '), false)') }}
    {%- endif -%}
    {{ return('coalesce(' ~ feature ~ ' ' ~ (clause.operator | replace('!=', '<>')) ~ ' ' ~ clause.literals[0] ~ ', false)') }}
{% endmacro %}

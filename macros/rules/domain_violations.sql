{#- A select: each declaration of a feature's domain that customers of
    customer_features break, with how many of its rows do. One scan counts them
    all. Columns: feature, declaration, violations. -#}
{% macro domain_violations() %}
    {%- set broken = [] -%}
    {%- if execute -%}
        {%- for feature, domain in feature_domains().items() -%}
            {%- for declaration, violation in domain_violations_of(domain).items() -%}
                {%- do broken.append({'feature': feature, 'declaration': declaration, 'sql': violation}) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if broken %}
    with counted as (

        select
            {%- for one in broken %}
            count(case when {{ one.sql }} then 1 end) as violations_{{ loop.index0 }}{{ ',' if not loop.last }}
            {%- endfor %}
        from customer_features

    )
    {%- for one in broken %}

    select
        {{ sql_text(one.feature) }} as feature,
        {{ sql_text(one.declaration) }} as declaration,
        violations_{{ loop.index0 }} as violations
    from counted
    where violations_{{ loop.index0 }} > 0
    {{ 'union all' if not loop.last }}
    {%- endfor %}
    {%- else %}
    {{ rows_of([], ['feature', 'declaration', 'violations']) }}
    {%- endif %}
{% endmacro %}

{#- {declaration in words: SQL that is true where a row breaks it} of a domain. -#}
{% macro domain_violations_of(domain) %}
    {%- set value = domain.value -%}
    {%- set violations = {} -%}
    {%- if not domain.is_nullable -%}
        {%- do violations.update({'nullable: false': value ~ ' is null'}) -%}
    {%- endif -%}
    {%- for bound in domain.bounds -%}
        {%- do violations.update({bound.text: value ~ ' is not null and not ' ~ clause_sql(bound)}) -%}
    {%- endfor -%}
    {%- for other in domain.at_most -%}
        {%- do violations.update({'at_most: ' ~ other: value ~ ' > ' ~ known_features()[other].value}) -%}
    {%- endfor -%}
    {%- set is_missing = domain.is_nullable and not domain.is_optional -%}
    {%- set absent = value ~ (' is null' if is_missing else ' = 0') -%}
    {%- set present = value ~ (' is not null' if is_missing else ' <> 0') -%}
    {%- if domain.only_when -%}
        {%- do violations.update({'only_when: ' ~ domain.only_when.text: 'not ' ~ clause_sql(domain.only_when) ~ ' and ' ~ present}) -%}
    {%- endif -%}
    {%- if domain.exactly_when -%}
        {%- do violations.update({'exactly_when: ' ~ domain.exactly_when.text:
            'case when ' ~ clause_sql(domain.exactly_when) ~ ' then ' ~ absent ~ ' else ' ~ present ~ ' end'}) -%}
    {%- endif -%}
    {%- if domain.age_of -%}
        {%- set days = days_between(known_features()[domain.age_of].value, 'customer_features.as_of_date') | trim -%}
        {#- An age that is not a column is computed this way, and cannot be wrong. -#}
        {%- if days != value -%}
            {%- do violations.update({'age_of: ' ~ domain.age_of:
                'case when ' ~ days ~ ' is null then ' ~ value ~ ' is not null else ' ~ value ~ ' is null or ' ~ value ~ ' <> ' ~ days ~ ' end'}) -%}
        {%- endif -%}
    {%- endif -%}
    {{ return(violations) }}
{% endmacro %}

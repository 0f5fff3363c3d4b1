{#- A select: each declaration of a feature's domain that customers of
    customer_features break, with how many of its rows do. One scan counts them
    all. Columns: feature, declaration, violations. -#}
{% macro domain_violations() %}
    {%- set broken = compiled().domain_violations %}
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
{% endmacro %}

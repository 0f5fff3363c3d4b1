{#- A select of one row over feature_units: the robust unit of each of some features in
    the month of a day (a date as SQL), 1 where it is not known. -#}
{% macro feature_scales(names, day) -%}
    select
        {%- for name in names %}
        coalesce(max(case when feature = '{{ name }}' then unit end), 1) as {{ name }},
        {%- endfor %}
        count(*) as features
    from feature_units
    where as_of_date between {{ month_of(day) }} and {{ day }}
{%- endmacro %}

{#- The numbers that the rules of some definitions are about, by name, in order. -#}
{% macro numbers_in_rules(definitions) -%}
    {%- set names = [] -%}
    {%- for definition in definitions -%}
        {%- do names.extend(features_in_rules(definition, 'number')) -%}
    {%- endfor -%}
    {{ return(names | unique | sort) }}
{%- endmacro %}

{#- The features that are numbers, whether a rule is about them or not, in order. -#}
{% macro numeric_features() -%}
    {%- set names = [] -%}
    {%- for name, feature in known_features().items() if feature_kind(feature.data_type) == 'number' -%}
        {%- do names.append(name) -%}
    {%- endfor -%}
    {{ return(names | sort) }}
{%- endmacro %}

{#- A select of one row over customer_features of one day: the robust unit of each of
    some features, its interquartile range over that of a normal distribution with
    standard deviation 1, or 1 where half of the customers agree; and as_of_date. -#}
{% macro feature_scales(names, features) -%}
    select
        {%- for name in names %}
        coalesce(nullif(cast({{ quartile(name, 2) }} - {{ quartile(name, 1) }} as double) / 1.349, 0), 1) as {{ name }},
        {%- endfor %}
        as_of_date
    from (
        select
            {%- for name in names %}
            {{ cut_points(features[name].value, [25, 75]) }} as {{ name }},
            {%- endfor %}
            max(as_of_date) as as_of_date
        from customer_features
    ) as lower_and_upper
{%- endmacro %}

{#- The numbers that the rules of some definitions are about, by name, in order. -#}
{% macro numbers_in_rules(definitions) -%}
    {%- set names = [] -%}
    {%- for definition in definitions -%}
        {%- do names.extend(features_in_rules(definition, 'number')) -%}
    {%- endfor -%}
    {{ return(names | unique | sort) }}
{%- endmacro %}

{#- The features that rules may name, {name: {data_type, kind, protected, value}}: the columns of customer_features, and
    an age in days, days_since_<name>, for every date column <name>_date that has none there. `value` is the feature as
    SQL; kind is number, text, date or boolean. -#}
{% macro known_features() %}
    {{ return(compiled().features) }}
{% endmacro %}

{#- The features that are numbers, in order. -#}
{% macro numeric_features() -%}
    {%- set names = [] -%}
    {%- for name, feature in known_features().items() if feature.kind == 'number' -%}
        {%- do names.append(name) -%}
    {%- endfor -%}
    {{ return(names | sort) }}
{%- endmacro %}

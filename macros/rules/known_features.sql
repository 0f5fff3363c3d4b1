{#- The features a rule may name, {name: {data_type, protected, value}}: the columns
    that the contract of customer_features lists, and an age in days,
    days_since_<name>, for every date column <name>_date that has none there.
    `value` is the feature as SQL. Known while `execute` is true. -#}
{% macro known_features() %}
    {%- set columns = graph.nodes['model.' ~ project_name ~ '.customer_features'].columns -%}
    {%- set features = {} -%}
    {%- for column in columns.values() if column.name not in ['as_of_date', 'customer_id'] -%}
        {%- set value = 'customer_features.' ~ column.name -%}
        {%- set protected = column.config.meta.get('protected', false) -%}
        {%- do features.update({column.name: {'data_type': column.data_type, 'protected': protected, 'value': value}}) -%}
        {%- set age = age_name(column.name) -%}
        {%- if feature_kind(column.data_type) == 'date' and age not in columns -%}
            {%- set days = days_between(value, 'customer_features.as_of_date') | trim -%}
            {%- do features.update({age: {'data_type': 'bigint', 'protected': protected, 'value': days}}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(features) }}
{% endmacro %}

{#- What the age of a date feature is called. -#}
{% macro age_name(date) %}
    {{ return('days_since_' ~ modules.re.sub('_date$', '', date)) }}
{% endmacro %}

{#- The features a rule may name, {name: {data_type, protected}}, as the contract
    of customer_features lists them. Known while `execute` is true. -#}
{% macro known_features() %}
    {%- set features = {} -%}
    {%- for column in graph.nodes['model.' ~ project_name ~ '.customer_features'].columns.values() -%}
        {%- if column.name not in ['as_of_date', 'customer_id'] -%}
            {%- do features.update({column.name: {
                'data_type': column.data_type,
                'protected': column.config.meta.get('protected', false),
            }}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(features) }}
{% endmacro %}

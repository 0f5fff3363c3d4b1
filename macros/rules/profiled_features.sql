{#- The features that profiles are made of, {name: SQL over customer_features}: all
    numbers, ages of dates among them; an age that a column gives under a name of its
    own (age_of) counts once. Known while `execute` is true. -#}
{% macro profiled_features() %}
    {%- set columns = graph.nodes['model.' ~ project_name ~ '.customer_features'].columns -%}
    {%- set named = [] -%}
    {%- for column in columns.values() if column.config.meta.get('domain', {}).get('age_of') -%}
        {%- do named.append(age_name(column.config.meta.domain.age_of)) -%}
    {%- endfor -%}
    {%- set values = {} -%}
    {%- for name, feature in known_features().items() if feature_kind(feature.data_type) == 'number' -%}
        {%- if name in columns or name not in named -%}
            {%- do values.update({name: feature.value}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(values) }}
{% endmacro %}

{#- The features that divide customers into groups of equal values, {name: SQL over
    customer_features}: texts and truths. Protected ones only where asked for. -#}
{% macro profiled_attributes(with_protected=true) %}
    {%- set values = {} -%}
    {%- for name, feature in known_features().items() if feature_kind(feature.data_type) in ['text', 'boolean'] -%}
        {%- if with_protected or not feature.protected -%}
            {%- do values.update({name: 'cast(' ~ feature.value ~ ' as ' ~ dbt.type_string() ~ ')'}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(values) }}
{% endmacro %}

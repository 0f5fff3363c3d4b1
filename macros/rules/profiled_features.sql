{#- The features that profiles are made of, {name: SQL over customer_features}: all
    numbers, ages of dates among them; an age that a column gives under a name of its
    own counts once. -#}
{% macro profiled_features() %}
    {%- set values = {} -%}
    {%- for name in compiled().profiled -%}
        {%- do values.update({name: known_features()[name].value}) -%}
    {%- endfor -%}
    {{ return(values) }}
{% endmacro %}

{#- The features that divide customers into groups of equal values, {name: SQL over
    customer_features}: texts and truths. Protected ones only where asked for. -#}
{% macro profiled_attributes(with_protected=true) %}
    {%- set values = {} -%}
    {%- for name in compiled().attributes if with_protected or not known_features()[name].protected -%}
        {%- do values.update({name: 'cast(' ~ known_features()[name].value ~ ' as ' ~ dbt.type_string() ~ ')'}) -%}
    {%- endfor -%}
    {{ return(values) }}
{% endmacro %}

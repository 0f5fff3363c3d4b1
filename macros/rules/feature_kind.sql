{#- number, text, date or boolean: what a feature's values can be compared with. -#}
{% macro feature_kind(data_type) %}
    {%- set kinds = {'varchar': 'text', 'string': 'text', 'text': 'text', 'date': 'date', 'boolean': 'boolean'} -%}
    {{ return(kinds.get(data_type | lower, 'number')) }}
{% endmacro %}

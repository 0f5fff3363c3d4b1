{#- The definitions of all segmentations whose history is kept; empty while parsing. -#}
{% macro definitions() %}
    {%- set found = [] -%}
    {%- if execute -%}
        {%- set features = known_features() -%}
        {%- for name in var('segmentations') -%}
            {%- do found.append(definition_of(name, features)) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found) }}
{% endmacro %}

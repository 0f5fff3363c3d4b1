{#- The definitions of all segmentations whose history is kept, those first that
    others build on; empty while parsing. -#}
{% macro definitions() %}
    {%- set found = [] -%}
    {%- if execute -%}
        {%- set features = known_features() -%}
        {%- for name in var('segmentations') -%}
            {%- set definition = definition_of(name, features) -%}
            {%- do found.append(dict(definition, depth=definition.builds_on | length)) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found | sort(attribute='depth')) }}
{% endmacro %}

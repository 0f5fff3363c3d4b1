{#- Holds every segmentation to the rule language before a run touches any table:
    the first mistake stops the run with segmentation, segment and clause. -#}
{% macro check_segmentations() %}
    {%- if execute -%}
        {%- set features = known_features() -%}
        {%- for name in var('segmentations') -%}
            {%- do definition_of(name, features) -%}
        {%- endfor -%}
        {%- for node in graph.nodes.values() -%}
            {%- if node.resource_type == 'model' and node.config.meta.get('segmentation') and node.name not in var('segmentations') -%}
                {{ exceptions.raise_compiler_error('Segmentation ' ~ node.name
                    ~ ": its history is not kept. Add the name to vars: segmentations in dbt_project.yml, or delete the model.") }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

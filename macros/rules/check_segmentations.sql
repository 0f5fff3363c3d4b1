{#- Holds every segmentation to the rule language before a run touches any table:
    the first mistake stops the run with segmentation, segment and clause. -#}
{% macro check_segmentations() %}
    {%- if execute -%}
        {%- if var('segmentations') is not iterable or var('segmentations') is string or var('segmentations') is mapping -%}
            {{ exceptions.raise_compiler_error("vars: segmentations in dbt_project.yml is a list of names, not '" ~ var('segmentations') ~ "'.") }}
        {%- endif -%}
        {%- for name in var('segmentations') if (var('segmentations') | list).count(name) > 1 -%}
            {{ exceptions.raise_compiler_error('Segmentation ' ~ name ~ ': vars: segmentations in dbt_project.yml names it twice.') }}
        {%- endfor -%}
        {%- set features = known_features() -%}
        {%- for name in var('segmentations') -%}
            {%- if definition_of(name, features).status == 'retired' -%}
                {{ exceptions.raise_compiler_error('Segmentation ' ~ name
                    ~ ": its status is retired, so its history is not kept. Take the name out of vars: segmentations in dbt_project.yml.") }}
            {%- endif -%}
        {%- endfor -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name not in var('segmentations') -%}
            {%- set meta = node.config.meta.get('segmentation') -%}
            {%- if meta and (meta is not mapping or meta.get('status') != 'retired') -%}
                {{ exceptions.raise_compiler_error('Segmentation ' ~ node.name
                    ~ ": its history is not kept. Add the name to vars: segmentations in dbt_project.yml, give it status: retired, or delete the model.") }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

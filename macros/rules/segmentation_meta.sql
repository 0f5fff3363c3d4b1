{#- What the YAML of a segmentation says under config: meta: segmentation; empty
    where it says nothing. Known while `execute` is true. -#}
{% macro segmentation_meta(name) %}
    {%- set node = graph.nodes.get('model.' ~ project_name ~ '.' ~ name) -%}
    {{ return((node.config.meta.get('segmentation') if node else none) or {}) }}
{% endmacro %}

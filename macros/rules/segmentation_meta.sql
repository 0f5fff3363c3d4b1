{#- What the YAML of a segmentation says under config: meta: segmentation; empty
    where it says nothing. Known while `execute` is true. -#}
{% macro segmentation_meta(name) %}
    {%- set node = graph.nodes.get('model.' ~ project_name ~ '.' ~ name) -%}
    {%- set meta = node.config.meta.get('segmentation') if node -%}
    {{ return(meta if meta is mapping else {}) }}
{% endmacro %}

{#- The segments in what the YAML of a segmentation says, those that are mappings, before
    anything of it was checked. -#}
{% macro segments_in(meta) %}
    {%- set segments = meta.get('segments') -%}
    {{ return(segments | select('mapping') | list if segments is iterable and segments is not string else []) }}
{% endmacro %}

{#- The names of the segmentations in vars: segmentations that are active: those that
    readers find as columns of dim_customers. Challengers run beside them. While
    parsing, when no status is known, all names. -#}
{% macro active_segmentations() %}
    {%- set names = [] -%}
    {%- for name in var('segmentations') if not execute or segmentation_meta(name).get('status', 'active') == 'active' -%}
        {%- do names.append(name) -%}
    {%- endfor -%}
    {{ return(names) }}
{% endmacro %}

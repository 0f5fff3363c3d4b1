{#- `in_segment: <segmentation>.<segment>` as a clause like those of parse_clause: it
    holds for customers whom the rules of the other segmentation put into that
    segment on the same day. -#}
{% macro parse_in_segment(name) %}
    {%- set match = modules.re.fullmatch('([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)', name | string) -%}
    {%- if not match -%}
        {{ return({'error': "it is not of the form `in_segment: segmentation.segment`"}) }}
    {%- endif -%}
    {%- set segmentation, segment = match.group(1), match.group(2) -%}
    {%- if segmentation not in var('segmentations') -%}
        {{ return({'error': "there is no segmentation '" ~ segmentation ~ "'. Did you mean '" ~ nearest_name(segmentation, var('segmentations')) ~ "'?"}) }}
    {%- endif -%}
    {%- set segments = segments_in(segmentation_meta(segmentation)) | map(attribute='name') | list -%}
    {%- if segment not in segments -%}
        {{ return({'error': segmentation ~ " has no segment '" ~ segment ~ "'. Did you mean '" ~ nearest_name(segment, segments) ~ "'?"}) }}
    {%- endif -%}
    {{ return({
        'feature': segmentation,
        'data_type': 'varchar',
        'value': segmentation ~ '.segment',
        'operator': 'in segment',
        'literals': ["'" ~ segment ~ "'"],
        'percentiles': [],
        'text': 'in ' ~ segmentation ~ '.' ~ segment,
    }) }}
{% endmacro %}

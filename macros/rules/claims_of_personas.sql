{#- What the personas of all segments claim, a list of {segment_number, segmentation,
    segment, feature, claim, value}: segments with claims are numbered from 1. -#}
{% macro claims_of_personas() %}
    {%- set found = [] -%}
    {%- for definition in definitions() -%}
    {%- for segment in definition.segments if segment.claims -%}
        {%- set segment_number = found[-1].segment_number + 1 if found else 1 -%}
        {%- for claim in segment.claims -%}
            {%- do found.append({
                'segment_number': segment_number,
                'segmentation': definition.name,
                'segment': segment.name,
                'feature': claim.feature,
                'claim': claim.claim,
                'value': claim.value,
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

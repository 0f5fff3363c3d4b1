{#- The segmentations that the rules of one name with in_segment, of whatever
    depth; a circle raises. -#}
{% macro segmentations_below(name, path=[]) %}
    {%- if name in path -%}
        {{ exceptions.raise_compiler_error('Segmentation ' ~ name ~ ': its rules lead back to itself by in_segment: '
            ~ ((path + [name]) | join(' -> ')) ~ '. Take one of these in_segment clauses out.') }}
        {{ return([]) }}
    {%- endif -%}
    {%- set below = [] -%}
    {%- for other in segments_named_in(segments_in(segmentation_meta(name)) | map(attribute='rule') | select('defined') | list) -%}
        {%- do below.append(other) -%}
        {%- do below.extend(segmentations_below(other, path + [name])) -%}
    {%- endfor -%}
    {{ return(below | unique | sort) }}
{% endmacro %}

{#- The segmentations that in_segment names anywhere in a rule as YAML has it, down to
    where parse_rule refuses to go. -#}
{% macro segments_named_in(rule, depth=0) %}
    {%- set named = [] -%}
    {%- if depth > 50 -%}
        {{ return(named) }}
    {%- elif rule is mapping -%}
        {%- for key, part in rule.items() -%}
            {%- do named.extend([(part | string).split('.')[0]] if key == 'in_segment' else segments_named_in(part, depth + 1)) -%}
        {%- endfor -%}
    {%- elif rule is not string and rule is iterable -%}
        {%- for part in rule -%}
            {%- do named.extend(segments_named_in(part, depth + 1)) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(named | unique | list) }}
{% endmacro %}

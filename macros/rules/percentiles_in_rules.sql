{#- The (feature, percentile) pairs that the rules of all segmentations compare
    with, without repetition and in order; empty while parsing. -#}
{% macro percentiles_in_rules() %}
    {%- set pairs = [] -%}
    {%- if execute -%}
        {%- for name in var('segmentations') -%}
            {%- for clause in definition_of(name).clauses -%}
                {%- for percentile in clause.percentiles -%}
                    {%- do pairs.append((clause.feature, percentile)) -%}
                {%- endfor -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(pairs | unique | sort) }}
{% endmacro %}

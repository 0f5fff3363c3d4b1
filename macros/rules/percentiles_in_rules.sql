{#- The (feature, percentile) pairs that the rules of all segmentations compare
    with, without repetition and in order. -#}
{% macro percentiles_in_rules() %}
    {%- set pairs = [] -%}
    {%- for definition in definitions() -%}
        {%- for feature, percentile in definition.percentiles -%}
            {%- do pairs.append((feature, percentile)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(pairs | unique | sort) }}
{% endmacro %}

{#- The days on which cut points are frozen, as SQL, in order. -#}
{% macro frozen_days() %}
    {%- set days = [] -%}
    {%- for definition in definitions() if definition.frozen_on -%}
        {%- do days.append("cast('" ~ definition.frozen_on ~ "' as date)") -%}
    {%- endfor -%}
    {{ return(days | unique | sort) }}
{% endmacro %}

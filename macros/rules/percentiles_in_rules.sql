{#- The (feature, percentile) pairs that the rules of all segmentations compare
    with, without repetition and in order; empty while parsing. -#}
{% macro percentiles_in_rules() %}
    {%- set pairs = [] -%}
    {%- for definition in definitions() -%}
        {%- for clause in definition.clauses -%}
            {%- for percentile in clause.percentiles -%}
                {%- do pairs.append((clause.feature, percentile)) -%}
            {%- endfor -%}
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

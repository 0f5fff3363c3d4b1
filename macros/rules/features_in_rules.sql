{#- The features of a kind (number or text) that the clauses of a definition are
    about, {feature: SQL}, in order. -#}
{% macro features_in_rules(definition, kind) %}
    {%- set found = {} -%}
    {%- for clause in definition.clauses | sort(attribute='feature') -%}
        {%- if feature_kind(clause.data_type) == kind and clause.operator != 'in segment' -%}
            {%- do found.update({clause.feature: clause.value}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

{#- A bit for each clause of a definition that holds, over the columns clause_<i>. -#}
{% macro held_bits(definition) -%}
    cast(
            0
            {%- for clause in definition.clauses %}
            + case when clause_{{ loop.index0 }} then {{ 2 ** loop.index0 }} else 0 end
            {%- endfor %}
            as bigint
        )
{%- endmacro %}

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

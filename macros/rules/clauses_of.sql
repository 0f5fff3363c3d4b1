{#- The places of all clauses in a parsed rule. -#}
{% macro clauses_of(node) %}
    {%- if 'clause' in node -%}
        {{ return([node.clause]) }}
    {%- elif 'not' in node -%}
        {{ return(clauses_of(node['not'])) }}
    {%- endif -%}
    {%- set places = [] -%}
    {%- for part in node[(node | list)[0]] -%}
        {%- do places.extend(clauses_of(part)) -%}
    {%- endfor -%}
    {{ return(places) }}
{% endmacro %}

{#- The places of those of its clauses that stand only where a `not` turns them: they decide that the rule holds by
    holding no longer. -#}
{% macro negated_clauses_of(node) %}
    {%- set turned = _clauses_by_sign(node, true) -%}
    {{ return(turned | reject('in', _clauses_by_sign(node, false)) | list) }}
{% endmacro %}

{% macro _clauses_by_sign(node, negated) %}
    {%- if 'clause' in node -%}
        {{ return([] if negated else [node.clause]) }}
    {%- elif 'not' in node -%}
        {{ return(_clauses_by_sign(node['not'], not negated)) }}
    {%- endif -%}
    {%- set places = [] -%}
    {%- for part in node[(node | list)[0]] -%}
        {%- do places.extend(_clauses_by_sign(part, negated)) -%}
    {%- endfor -%}
    {{ return(places) }}
{% endmacro %}

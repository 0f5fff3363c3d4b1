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

{#- A parsed rule in words, for people. -#}
{% macro rule_text(node, clauses, nested=false) %}
    {%- if 'clause' in node -%}
        {{ return(clauses[node.clause].text) }}
    {%- elif 'not' in node -%}
        {{ return('not (' ~ rule_text(node['not'], clauses) ~ ')') }}
    {%- endif -%}
    {%- set key = (node | list)[0] -%}
    {%- set parts = [] -%}
    {%- for part in node[key] -%}
        {%- do parts.append(rule_text(part, clauses, nested or node[key] | length > 1)) -%}
    {%- endfor -%}
    {%- set text = parts | join(' and ' if key == 'all' else ' or ') -%}
    {{ return('(' ~ text ~ ')' if nested and parts | length > 1 else text) }}
{% endmacro %}

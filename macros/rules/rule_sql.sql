{#- Whether a parsed rule holds, as SQL: over its clauses, or over the bits of a column
    such as held_clauses. -#}
{% macro rule_sql(node, clauses, held=none) %}
    {%- if 'clause' in node -%}
        {{ return('(' ~ held ~ ' & ' ~ 2 ** node.clause ~ ') <> 0' if held else clause_sql(clauses[node.clause])) }}
    {%- elif 'not' in node -%}
        {{ return('not (' ~ rule_sql(node['not'], clauses, held) ~ ')') }}
    {%- endif -%}
    {%- set key = (node | list)[0] -%}
    {%- set parts = [] -%}
    {%- for part in node[key] -%}
        {%- do parts.append(rule_sql(part, clauses, held)) -%}
    {%- endfor -%}
    {{ return('(' ~ (parts | join('\n            ' ~ ('and ' if key == 'all' else 'or '))) ~ ')') }}
{% endmacro %}

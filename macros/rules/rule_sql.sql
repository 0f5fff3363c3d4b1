{#- Whether a parsed rule holds: over the columns clause_<i> of its clauses, or over
    the bits of a column such as held_clauses. -#}
{% macro rule_sql(node, held=none) %}
    {%- if 'clause' in node -%}
        {{ return('(' ~ held ~ ' & ' ~ 2 ** node.clause ~ ') <> 0' if held else 'clause_' ~ node.clause) }}
    {%- elif 'not' in node -%}
        {{ return('not (' ~ rule_sql(node['not'], held) ~ ')') }}
    {%- endif -%}
    {%- set key = (node | list)[0] -%}
    {%- set parts = [] -%}
    {%- for part in node[key] -%}
        {%- do parts.append(rule_sql(part, held)) -%}
    {%- endfor -%}
    {{ return('(' ~ (parts | join(' and ' if key == 'all' else ' or ')) ~ ')') }}
{% endmacro %}

{#- Whether a parsed rule holds, over the columns clause_<i> of its clauses. -#}
{% macro rule_sql(node) %}
    {%- if 'clause' in node -%}
        {{ return('clause_' ~ node.clause) }}
    {%- elif 'not' in node -%}
        {{ return('not (' ~ rule_sql(node['not']) ~ ')') }}
    {%- endif -%}
    {%- set key = (node | list)[0] -%}
    {%- set parts = [] -%}
    {%- for part in node[key] -%}
        {%- do parts.append(rule_sql(part)) -%}
    {%- endfor -%}
    {{ return('(' ~ (parts | join(' and ' if key == 'all' else ' or ')) ~ ')') }}
{% endmacro %}

{#- How far a customer is inside or outside a parsed rule: the least of all,
    the greatest of any, the negative of not. -#}
{% macro rule_fit_sql(node, clauses, features) %}
    {%- if 'clause' in node -%}
        {{ return(clause_fit_sql(clauses[node.clause], features)) }}
    {%- elif 'not' in node -%}
        {{ return('-(' ~ rule_fit_sql(node['not'], clauses, features) ~ ')') }}
    {%- endif -%}
    {%- set key = (node | list)[0] -%}
    {%- set parts = [] -%}
    {%- for part in node[key] -%}
        {%- do parts.append(rule_fit_sql(part, clauses, features)) -%}
    {%- endfor -%}
    {%- if parts | length == 1 -%}
        {{ return(parts[0]) }}
    {%- endif -%}
    {{ return(('least(' if key == 'all' else 'greatest(') ~ (parts | join(', ')) ~ ')') }}
{% endmacro %}

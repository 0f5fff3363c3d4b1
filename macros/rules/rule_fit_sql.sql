{#- How far a customer is inside (positive) or outside (negative) a parsed rule, over
    the columns distance_<i> of its clauses: the least of all, the greatest of any,
    the negative of not. -#}
{% macro rule_fit_sql(node) %}
    {%- if 'clause' in node -%}
        {{ return('distance_' ~ node.clause) }}
    {%- elif 'not' in node -%}
        {{ return('-(' ~ rule_fit_sql(node['not']) ~ ')') }}
    {%- endif -%}
    {%- set key = (node | list)[0] -%}
    {%- set parts = [] -%}
    {%- for part in node[key] -%}
        {%- do parts.append(rule_fit_sql(part)) -%}
    {%- endfor -%}
    {{ return(extreme(parts, 'least' if key == 'all' else 'greatest')) }}
{% endmacro %}

{#- least(...) or greatest(...) of some expressions; the one itself where there is one. -#}
{% macro extreme(expressions, function) %}
    {{ return(expressions[0] if expressions | length == 1 else function ~ '(' ~ (expressions | join(', ')) ~ ')') }}
{% endmacro %}

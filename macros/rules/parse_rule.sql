{#- A rule as a tree of {all: [...]}, {any: [...]}, {not: ...} and {clause: i},
    i being the clause's place in `clauses`, which this appends to. A clause
    that stands more than once is listed once. Mistakes raise, naming `where`. -#}
{% macro parse_rule(rule, features, clauses, where, depth=0) %}
    {%- if depth > 20 -%}
        {{ exceptions.raise_compiler_error(where ~ ": its rule is nested more than 20 deep. Write it flatter, or split the segment.") }}
        {{ return({'all': []}) }}
    {%- endif -%}
    {%- set is_segment = rule is mapping and (rule | list) == ['in_segment'] -%}
    {%- if rule is string or is_segment -%}
        {%- set clause = parse_in_segment(rule.in_segment) if is_segment else parse_clause(rule, features) -%}
        {%- if clause.error -%}
            {%- set text = 'in_segment: ' ~ rule.in_segment if is_segment else rule -%}
            {{ exceptions.raise_compiler_error(where ~ ", clause '" ~ text ~ "': " ~ clause.error ~ ('' if clause.error.endswith('?') else '.')) }}
            {{ return({'all': []}) }}
        {%- endif -%}
        {%- set texts = clauses | map(attribute='text') | list -%}
        {%- if clause.text not in texts -%}
            {%- do clauses.append(clause) -%}
        {%- endif -%}
        {{ return({'clause': (clauses | map(attribute='text') | list).index(clause.text)}) }}
    {%- elif rule is mapping and rule | length == 1 and (rule | list)[0] in ['all', 'any'] -%}
        {%- set key = (rule | list)[0] -%}
        {%- if rule[key] is not iterable or rule[key] is string or rule[key] is mapping or not rule[key] -%}
            {{ exceptions.raise_compiler_error(where ~ ": '" ~ key ~ "' takes a list of at least one clause.") }}
            {{ return({'all': []}) }}
        {%- endif -%}
        {%- set parts = [] -%}
        {%- for part in rule[key] -%}
            {%- do parts.append(parse_rule(part, features, clauses, where, depth + 1)) -%}
        {%- endfor -%}
        {{ return({key: parts}) }}
    {%- elif rule is mapping and rule | length == 1 and 'not' in rule -%}
        {{ return({'not': parse_rule(rule['not'], features, clauses, where, depth + 1)}) }}
    {%- endif -%}
    {%- set keys = rule | map('string') | list if rule is mapping else [] -%}
    {%- set meant = " Did you mean '" ~ nearest_name(keys[0], ['all', 'any', 'not', 'in_segment']) ~ "'?"
        if keys | length == 1 and keys[0] not in ['all', 'any', 'not', 'in_segment'] else '' -%}
    {{ exceptions.raise_compiler_error(where ~ ": a rule is a clause, in_segment, or one of all, any and not with clauses in it, not '" ~ rule ~ "'." ~ meant) }}
    {{ return({'all': []}) }}
{% endmacro %}

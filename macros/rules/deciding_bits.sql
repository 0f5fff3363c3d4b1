{#- The bits of the clauses on account of which a parsed rule holds (holds=true) or
    does not (holds=false), as SQL over a column of bits; 0 where it is otherwise.
    All parts decide that an `all` holds, the failing ones that it does not; with
    `any` it is the other way round, and `not` turns the question. -#}
{% macro deciding_bits(node, holds, held='held_clauses') %}
    {%- if 'clause' in node -%}
        {%- set bit = 2 ** node.clause -%}
        {{ return('(' ~ held ~ ' & ' ~ bit ~ ')' if holds else '(' ~ bit ~ ' - (' ~ held ~ ' & ' ~ bit ~ '))') }}
    {%- elif 'not' in node -%}
        {{ return(deciding_bits(node['not'], not holds, held)) }}
    {%- endif -%}
    {%- set key = (node | list)[0] -%}
    {%- set parts = [] -%}
    {%- for part in node[key] -%}
        {%- do parts.append(deciding_bits(part, holds, held)) -%}
    {%- endfor -%}
    {%- set bits = '(' ~ (parts | join(' | ')) ~ ')' -%}
    {%- if (key == 'any') == holds -%}
        {{ return(bits) }}
    {%- endif -%}
    {{ return('case when ' ~ rule_sql(node, none, held) ~ ' then ' ~ (bits ~ ' else 0' if holds else '0 else ' ~ bits) ~ ' end') }}
{% endmacro %}

{#- The bits of the clauses on account of which the rule of a segment holds or does
    not, as SQL over columns of a relation: segmentation, rule_version, held_clauses
    and the segment; `in_force` are the definitions of the rules. 0 for segments without a rule, null for rules that are no longer
    in force. -#}
{% macro deciding_clauses(relation, segment, holds, in_force) -%}
    case
            {%- for definition in in_force %}
            when {{ relation }}.rule_version = {{ sql_text(definition.rule_version) }} then
                case {{ relation }}.{{ segment }}
                    {%- for other in definition.segments if other.rule %}
                    when '{{ other.name }}' then {{ deciding_bits(other.rule, holds, relation ~ '.held_clauses') }}
                    {%- endfor %}
                    else 0
                end
            {%- endfor %}
            when false then 0
        end
{%- endmacro %}

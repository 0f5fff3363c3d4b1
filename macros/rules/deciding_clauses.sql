{#- The bits of the clauses on account of which the rule of a segment holds (holds=true) or
    does not, as SQL over columns of a relation: rule_version, held_clauses and the segment.
    0 for segments without a rule, null for rules that are no longer in force. -#}
{% macro deciding_clauses(relation, segment, holds) -%}
    case
            {%- for definition in definitions() %}
            when {{ relation }}.rule_version = {{ sql_text(definition.rule_version) }} then
                case {{ relation }}.{{ segment }}
                    {%- for other in definition.segments if not other.is_default %}
                    when '{{ other.name }}' then {{ (other.because if holds else other.despite) | replace('held_clauses', relation ~ '.held_clauses') }}
                    {%- endfor %}
                    else 0
                end
            {%- endfor %}
            when false then 0
        end
{%- endmacro %}

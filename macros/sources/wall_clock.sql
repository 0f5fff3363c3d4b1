{#- A source's column of timestamps or dates as its system's clocks show them. Where stamps say themselves how far
    from UTC they are, the zone of the machine that reads them must not decide their day. -#}
{% macro wall_clock(column, delivered_type, zone) -%}
    {%- if delivered_type == 'TIMESTAMP WITH TIME ZONE' -%}
        timezone('{{ zone }}', {{ column }})
    {%- elif delivered_type == 'VARCHAR' -%}
        {#- Shorter texts have no room for one. -#}
        case
            when length({{ column }}) > 16 and regexp_matches({{ column }}, '(Z|[+-][0-9]{2}(:?[0-9]{2})?)$')
                then cast(timezone('{{ zone }}', try_cast({{ column }} as timestamptz)) as varchar)
            else {{ column }}
        end
    {%- else -%}
        {{ column }}
    {%- endif -%}
{%- endmacro %}

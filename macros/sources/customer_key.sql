{#- A customer's key as a source delivers it, in the type of all keys; null where it is none. A cast alone would make
    whole numbers of others, and customers of strangers. -#}
{% macro customer_key(column) -%}
    {%- set key = 'try_cast(' ~ column ~ ' as ' ~ var('customer_id_type') ~ ')' -%}
    {%- if var('customer_id_type') == 'bigint' -%}
        case when try_cast({{ column }} as double) = {{ key }} then {{ key }} end
    {%- else -%}
        {{ key }}
    {%- endif -%}
{%- endmacro %}

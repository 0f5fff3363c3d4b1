{#- The lengths in days of the standard trailing windows. -#}
{% macro trailing_windows() -%}
    {{ return([7, 30, 90, 365]) }}
{%- endmacro %}

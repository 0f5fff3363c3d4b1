{#- Texts as a SQL list, for `in`; nothing is in that of none. -#}
{% macro sql_texts(values) -%}
    ({% for value in values or [none] %}{{ sql_text(value) }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

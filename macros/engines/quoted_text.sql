{#- A text as a SQL literal of the engine, in quotes. Models put no text into SQL but by this macro: Spark reads '' within
    a literal as the end of one and the beginning of the next, and loses the quote without an error. -#}
{% macro quoted_text(text) -%}
    {{ return(adapter.dispatch('quoted_text', 'tessera')(text)) }}
{%- endmacro %}

{% macro default__quoted_text(text) -%}
    '{{ text | string | replace("\\", "\\\\") | replace("'", "\\'") }}'
{%- endmacro %}

{% macro duckdb__quoted_text(text) -%}
    '{{ text | string | replace("'", "''") }}'
{%- endmacro %}

{#- The wall-clock time in the business time zone of a timestamp given in UTC. -#}
{% macro local_timestamp(column) -%}
    {{ return(adapter.dispatch('local_timestamp', 'tessera')(column)) }}
{%- endmacro %}

{% macro default__local_timestamp(column) -%}
    from_utc_timestamp({{ column }}, '{{ var("timezone") }}')
{%- endmacro %}

{% macro duckdb__local_timestamp(column) -%}
    cast(timezone('{{ var("timezone") }}', timezone('UTC', {{ column }})) as timestamp)
{%- endmacro %}

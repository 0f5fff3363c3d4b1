{#- The first day whose segments are kept, as SQL: from the environment, where the
    flows put it, else from vars. -#}
{% macro history_start() -%}
    cast('{{ env_var("TESSERA_HISTORY_START", var("history_start") | string) if execute else var("history_start") }}' as date)
{%- endmacro %}

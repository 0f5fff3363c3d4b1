{#- The first day whose segments are kept, as SQL. -#}
{% macro history_start() -%}
    cast('{{ first_kept_day() }}' as date)
{%- endmacro %}

{#- The first day whose segments are kept, as text: from the environment, where the
    flows put it, else from vars. -#}
{% macro first_kept_day() -%}
    {{ return(env_var('TESSERA_HISTORY_START', var('history_start') | string) if execute else var('history_start') | string) }}
{%- endmacro %}

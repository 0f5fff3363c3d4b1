{#- The first day whose segments are kept, as SQL. -#}
{% macro history_start() -%}
    cast('{{ first_kept_day() }}' as date)
{%- endmacro %}

{#- The first day whose segments are kept, as text: from the environment, where the
    flows put it, else from vars. Where history_start is null and nobody has looked at the
    sources, it is `otherwise`: the first day that a bare dbt build builds. -#}
{% macro first_kept_day(otherwise=none) -%}
    {%- set given = (var('history_start') or (var('first_date') if otherwise is none else otherwise)) | string -%}
    {{ return(env_var('TESSERA_HISTORY_START', given) if execute else given) }}
{%- endmacro %}

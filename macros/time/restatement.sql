{#- What the run rewrites on purpose, as {run_id, reason, first, last, before}: the
    days that were asked for, and the catalog that the warehouse has that was
    published. None in every other run. -#}
{% macro restatement() -%}
    {%- if not execute or not env_var('TESSERA_RESTATE_RUN', '') -%}
        {{ return(none) }}
    {%- endif -%}
    {{ return({
        'run_id': env_var('TESSERA_RESTATE_RUN'),
        'reason': env_var('TESSERA_RESTATE_REASON'),
        'first': modules.datetime.date.fromisoformat(env_var('TESSERA_RESTATE_FIRST')),
        'last': modules.datetime.date.fromisoformat(env_var('TESSERA_RESTATE_LAST')),
        'rebuilt_to': modules.datetime.date.fromisoformat(env_var('TESSERA_RESTATE_REBUILT_TO')),
        'before': 'before_restating',
    }) }}
{%- endmacro %}

{#- Removes what earlier parts of the same restatement found: the last part looks at all of its days. -#}
{% macro forget_restated_customers() -%}
    {%- if restatement() and is_incremental() -%}
        delete from {{ this }} where run_id = {{ sql_text(restatement().run_id) }}
    {%- endif -%}
{%- endmacro %}

{#- The statement that attaches the warehouse as it was published, while a run
    rewrites days of it. -#}
{% macro attach_history_before_restating() -%}
    {%- if restatement() -%}
        attach if not exists '{{ env_var('TESSERA_RESTATE_PUBLISHED') | replace("'", "''") }}' as {{ restatement().before }} (read_only)
    {%- endif -%}
{%- endmacro %}

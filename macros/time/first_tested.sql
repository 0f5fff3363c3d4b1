{#- The first day that tests of the history look at, as SQL: the run's own, or, where
    vars: tested_days is `all`, that of the history. Days before the run passed their
    tests when they were built. The environment overrules the var: a backfill tests all. -#}
{% macro first_tested() -%}
    {%- if execute and env_var('TESSERA_TESTED_DAYS', var('tested_days')) == 'all' -%}
        cast('0001-01-01' as date)
    {%- else -%}
        {{ first_date() }}
    {%- endif -%}
{%- endmacro %}

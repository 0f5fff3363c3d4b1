{#- Stops a build that was given no days where the warehouse goes on after the last day of vars:
    every log would forget the days after its first, and get those back up to its last only. -#}
{% macro check_window() %}
    {%- set is_given = 'last_date' in (invocation_args_dict.get('vars') or {}) or env_var('TESSERA_LAST_DATE', '') -%}
    {%- if execute and flags.WHICH in ['build', 'run'] and not is_given -%}
        {%- set node = graph.nodes['model.' ~ project_name ~ '.segmentation_days'] -%}
        {%- set days = adapter.get_relation(node.database, node.schema, node.alias) -%}
        {%- if days -%}
            {%- set newest = run_query('select max(as_of_date) from ' ~ days).columns[0].values()[0] -%}
            {%- if newest and newest | string > run_window().last | string -%}
                {{ exceptions.raise_compiler_error('The warehouse has days up to ' ~ newest ~ ', and dbt ' ~ flags.WHICH
                    ~ ' without days would build those of vars: first_date to last_date again and forget all after them. '
                    ~ 'Use python -m flows.daily, or say which days: --vars \'{first_date: DATE, last_date: DATE}\'.') }}
            {%- endif -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{#- Refuses to build what was compiled from other files than there are now, before a run touches any table. Only DuckDB
    can read the files; elsewhere the commands, which compile first, have to do. -#}
{% macro check_compiled() %}
    {{ return(adapter.dispatch('check_compiled', 'tessera')()) }}
{% endmacro %}

{% macro default__check_compiled() %}
{% endmacro %}

{% macro duckdb__check_compiled() %}
    {%- if execute -%}
        {%- set folder = 'models/segmentations/' -%}
        {%- set files = ["'models/features/_features.yml'", "'" ~ folder ~ "seg_*.yml'"] -%}
        {%- set sources = compiled().sources -%}
        {%- set found = {} -%}
        {%- for row in run_query('select filename, md5(content) from read_blob([' ~ files | join(', ') ~ '])').rows -%}
            {%- do found.update({row[0]: row[1]}) -%}
        {%- endfor -%}
        {%- set stale = [] -%}
        {%- for name in (sources | list + found | list) | unique | sort if sources.get(name) != found.get(name) -%}
            {%- do stale.append(name) -%}
        {%- endfor -%}
        {%- if stale -%}
            {{ exceptions.raise_compiler_error('The compiled SQL is stale: ' ~ stale | join(', ')
                ~ ' changed after it was compiled. Run `python -m flows.compile` and commit what it writes.') }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

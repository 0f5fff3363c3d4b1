{#- Refuses to build what was compiled from other files than there are now, before a run touches any table. Only DuckDB
    can read the files; elsewhere the commands, which compile first, have to do. -#}
{% macro check_compiled() %}
    {{ return(adapter.dispatch('check_compiled', 'tessera')()) }}
{% endmacro %}

{% macro default__check_compiled() %}
{% endmacro %}

{% macro duckdb__check_compiled() %}
    {%- if execute -%}
        {%- set root = invocation_args_dict.get('project_dir', '.') ~ '/' -%}
        {%- set places = [] -%}
        {%- for name in ['models/features/_features.yml', 'models/segmentations/seg_*.yml'] -%}
            {%- do places.append(sql_text(root ~ name)) -%}
        {%- endfor -%}
        {%- set sources = compiled().sources -%}
        {%- set found = {} -%}
        {%- for row in run_query('select filename, md5(content) from read_blob([' ~ places | join(', ') ~ '])').rows -%}
            {%- do found.update({row[0][root | length:]: row[1]}) -%}
        {%- endfor -%}
        {%- set stale = [] -%}
        {%- for name in (sources | list + found | list) | unique | sort if sources.get(name) != found.get(name) -%}
            {%- do stale.append(name) -%}
        {%- endfor -%}
        {%- if stale -%}
            {{ exceptions.raise_compiler_error('The compiled SQL is stale. It was not made from the present ' ~ stale | join(', ')
                ~ '. Run `python -m flows.compile` and commit what it writes.') }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

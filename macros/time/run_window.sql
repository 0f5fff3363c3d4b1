{#- The first and last day of this run, checked, as {first, last, days}: from
    the environment, where the flows put it, else from vars. Only executing
    models see the environment, so that another day needs no parsing again. -#}
{% macro run_window() %}
    {%- set texts = {} -%}
    {%- for name in ['first_date', 'last_date'] -%}
        {%- set text = env_var('TESSERA_' ~ name | upper, var(name) | string) if execute else var(name) | string -%}
        {%- if not is_iso_date(text) -%}
            {{ exceptions.raise_compiler_error("vars: " ~ name ~ " is '" ~ text ~ "', which is not a valid date; write it as YYYY-MM-DD.") }}
        {%- endif -%}
        {%- do texts.update({name: text}) -%}
    {%- endfor -%}
    {%- set first = modules.datetime.date.fromisoformat(texts.first_date) -%}
    {%- set last = modules.datetime.date.fromisoformat(texts.last_date) -%}
    {%- if last < first -%}
        {{ exceptions.raise_compiler_error('The window is empty: its last day ' ~ last ~ ' lies before its first ' ~ first ~ '.') }}
    {%- endif -%}
    {{ return({'first': first, 'last': last, 'days': (last - first).days + 1}) }}
{% endmacro %}

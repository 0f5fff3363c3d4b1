{#- The first and last day of this run, checked, as {first, last, days}. -#}
{% macro run_window() %}
    {%- set pattern = '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' -%}
    {%- for name in ['first_date', 'last_date'] -%}
        {%- if not modules.re.match(pattern, var(name) | string) -%}
            {{ exceptions.raise_compiler_error("vars: " ~ name ~ " is '" ~ var(name) ~ "'; write it as YYYY-MM-DD.") }}
        {%- endif -%}
    {%- endfor -%}
    {%- set first = modules.datetime.date.fromisoformat(var('first_date') | string) -%}
    {%- set last = modules.datetime.date.fromisoformat(var('last_date') | string) -%}
    {%- if last < first -%}
        {{ exceptions.raise_compiler_error('vars: last_date ' ~ last ~ ' lies before first_date ' ~ first ~ '.') }}
    {%- endif -%}
    {{ return({'first': first, 'last': last, 'days': (last - first).days + 1}) }}
{% endmacro %}

{#- Whether a text is a day of the calendar, written YYYY-MM-DD. -#}
{% macro is_iso_date(text) %}
    {%- if not modules.re.fullmatch('[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])', text) -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set year, month, day = text[0:4] | int, text[5:7] | int, text[8:10] | int -%}
    {%- set leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) -%}
    {%- set days = {2: 29 if leap else 28, 4: 30, 6: 30, 9: 30, 11: 30}.get(month, 31) -%}
    {{ return(year > 0 and day <= days) }}
{% endmacro %}

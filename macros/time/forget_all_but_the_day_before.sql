{#- Leaves in a table of the run's days only the day before them, and makes room for
    the run's. -#}
{% macro forget_all_but_the_day_before(column) -%}
    {%- if is_incremental() -%}
        delete from {{ this }} where {{ column }} <> {{ first_date(-1) }}
    {%- endif -%}
{%- endmacro %}

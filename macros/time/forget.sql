{#- The first half of "forget, then append": removes what a table says of the
    run's first day and later, so that any day can be run again. -#}
{% macro forget(column) -%}
    {%- if is_incremental() -%}
        delete from {{ this }} where {{ column }} >= {{ first_date() }}
    {%- endif -%}
{%- endmacro %}

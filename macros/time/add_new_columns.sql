{#- Before the transaction of a log that is appended to: adds the columns that its model has
    got since the table was made, empty for the days that are there. dbt would add them by
    on_schema_change, but after the hooks that forget days, and DuckDB commits no change of a
    table whose rows were deleted in the same transaction. A table beside the log that can be
    made again from it has its columns, and is dropped: first, so that whoever is killed here
    leaves none that lacks them. It must be there, for the model's SQL reads it. -#}
{% macro add_new_columns(beside=none) -%}
    {%- if is_incremental() -%}
        {%- set kept = adapter.get_columns_in_relation(this) | map(attribute='name') | list -%}
        {%- set added = columns_of_query(sql) | rejectattr('name', 'in', kept) | list -%}
        {%- if added and beside %}
        drop table {{ beside }};
        {%- endif -%}
        {%- for column in added %}
        alter table {{ this }} add column {{ column.name }} {{ column.data_type }};
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

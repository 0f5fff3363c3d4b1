{#- The rows of one entity over all enabled source systems. -#}
{% macro unite(entity, columns) -%}
    {%- for system in var('sources') %}
    select
        cast('{{ system }}' as {{ dbt.type_string() }}) as source_system,
        {{ columns | join(',\n        ') }}
    from {{ ref('stg_' ~ system ~ '__' ~ entity) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{%- endmacro %}

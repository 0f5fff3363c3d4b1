{#- What dbt.listagg gives on Spark, in the order that it was asked for, which dbt-spark's own ignores: that of one column,
    'order by' and its name. Spark 3 has no other way. -#}
{% macro spark__listagg(measure, delimiter_text, order_by_clause, limit_num) -%}
    {%- if limit_num or not order_by_clause -%}
        {{ exceptions.raise_compiler_error('listagg on Spark needs an order by, and knows no limit.') }}
    {%- endif -%}
    array_join(
        transform(
            array_sort(
                collect_list(
                    case
                        when {{ measure }} is not null
                            then named_struct('position', {{ order_by_clause | replace('order by ', '') }}, 'text', {{ measure }})
                    end
                )
            ),
            part -> part.text
        ),
        {{ delimiter_text }}
    )
{%- endmacro %}

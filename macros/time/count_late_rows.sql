{#- Before late_customer_days logs what a run sees: what earlier runs saw counts from this
    run's first day on, where that is earlier. For it builds its days from all that
    customer_days keeps, be it a restatement or a run of days that were built before and not
    published. So whatever is logged tells which days were built without it. -#}
{% macro count_late_rows() -%}
    {%- if is_incremental() -%}
        {%- if 'counted_from' not in adapter.get_columns_in_relation(this) | map(attribute='name') | list %}
        {#- A warehouse of an earlier version, which did not keep it. #}
        alter table {{ this }} add column counted_from date;
        {%- endif %}
        update {{ this }}
        set counted_from = least(coalesce(counted_from, seen_on), {{ first_date() }})
        where counted_from is null or counted_from > {{ first_date() }}
    {%- endif -%}
{%- endmacro %}

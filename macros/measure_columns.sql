{#- The columns of customer_measures beside its keys, in order. -#}
{% macro measure_columns() -%}
    {%- set columns = [
        'first_seen_date', 'first_order_date', 'last_order_date', 'last_response_date',
        'orders_lifetime', 'net_sales_lifetime',
    ] -%}
    {%- for n in trailing_windows() -%}
        {%- for measure in ['orders', 'returns', 'units', 'net_sales', 'discounts', 'active_days'] -%}
            {%- do columns.append(measure ~ '_' ~ n ~ 'd') -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(columns + [
        'average_order_value_365d', 'discount_share_365d', 'coupon_share_365d', 'private_label_share_365d',
        'return_share_365d',
        'median_days_between_orders', 'longest_pause_90d',
        'categories_365d', 'top_category_365d', 'top_category_share_365d',
        'contacts_365d', 'responses_365d',
    ]) }}
{%- endmacro %}

{#- A transaction line and what its product is, as a number below 2^24: sums of
    them over a day tell whether its lines are still the same, and count as what they
    did, and are exact in doubles. Reads the relations transactions and products. -#}
{% macro line_fingerprint() -%}
    {%- set columns = [
        'transactions.customer_id', 'transactions.order_id', 'transactions.units', 'transactions.net_amount',
        'transactions.is_return', 'transactions.is_first_day', 'transactions.discount_amount', 'transactions.coupon_amount', 'transactions.cost_amount',
        'products.category', 'products.is_private_label',
    ] -%}
    {{ return(adapter.dispatch('line_fingerprint', 'tessera')(columns)) }}
{%- endmacro %}

{% macro default__line_fingerprint(columns) -%}
    cast(pmod(xxhash64({{ columns | join(', ') }}), 16777216) as double)
{%- endmacro %}

{% macro duckdb__line_fingerprint(columns) -%}
    cast(
        hash(
            {{ columns | join(',\n            ') }}
        ) % 16777216 as double
    )
{%- endmacro %}

{#- An amount that a source takes off, such as a discount, as a positive one: turned round where the source's sign is
    `negative`, else `as_delivered`. Returns turn with it. -#}
{% macro as_positive(amount, sign) -%}
    {{ '-' if sign == 'negative' }}{{ amount }}
{%- endmacro %}

{#- An amount taken off, such as a discount, as a positive one: its sign is flipped if the source's sign is
    `negative`, not if it is `as_delivered`. Returns are flipped, too. -#}
{% macro as_positive(amount, sign) -%}
    {{ '-' if sign == 'negative' }}{{ amount }}
{%- endmacro %}

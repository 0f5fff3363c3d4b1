{#- Fails with the cells of broken_cells. -#}
{% test one_segment_per_cell(model, columns, nobody_in) %}
{{ config(tags=['weekly']) }}

{{ broken_cells(model, model.identifier, columns, nobody_in) }}

{% endtest %}

{#- Fails with the cells of broken_cells. -#}
{% test one_segment_per_cell(model, columns, nobody_in) %}

{{ broken_cells(model, model.identifier, columns, nobody_in) }}

{% endtest %}

{#- Spells are kept: a run writes those that begin or end in it, and counts the days of
    the others. The hooks of fct_segment_spells make the table ready for that. -#}

{#- Makes the spells those of the day before the run. Only where days are built again is
    there something to do. -#}
{% macro rewind_spells() -%}
    {%- if is_incremental() -%}
        delete from {{ this }} where valid_from >= {{ first_date() }};
        update {{ this }}
        set
            is_current = true,
            valid_to = cast('9999-12-31' as date),
            next_segment = null,
            exit_reason = null
        where valid_to >= {{ first_date() }} and not is_current;
        update {{ this }}
        set days = {{ days_between('valid_from', first_date()) }}
        where is_current and days > {{ days_between('valid_from', first_date()) }}
    {%- endif -%}
{%- endmacro %}

{#- Removes the open spells that end in the run, which then appends them as they ended. -#}
{% macro forget_ending_spells() -%}
    {%- if is_incremental() -%}
        delete from {{ this }} as spells
        where
            spells.is_current
            and exists (
                select 1
                from {{ ref('recent_spells') }} as ended
                where
                    not ended.is_current
                    and ended.customer_id = spells.customer_id
                    and ended.segmentation = spells.segmentation
                    and ended.valid_from = spells.valid_from
            )
    {%- endif -%}
{%- endmacro %}

{#- Counts the days of the spells that go on: those of the segmentations that the run
    builds. The others were left as on their last day. -#}
{% macro count_days_of_spells() -%}
    {%- if is_incremental() -%}
        update {{ this }}
        set days = {{ days_between('valid_from', last_date(1)) }}
        where
            is_current
            and segmentation in {{ sql_texts(segmentations()) }}
    {%- endif -%}
{%- endmacro %}

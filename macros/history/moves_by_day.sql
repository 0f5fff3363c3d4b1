{#- A select: moves between segments and those of them that went back within 30 days, of some rows of segment_entries,
    one row per day, segmentation and rule version of the move, or of the one that it took back. -#}
{% macro moves_by_day(entries) -%}
    select
        as_of_date,
        segmentation,
        rule_version,
        cast(sum(moves) as bigint) as moves,
        cast(sum(reversed_moves) as bigint) as reversed_moves
    from (
        select
            entered_on as as_of_date,
            segmentation,
            rule_version,
            1 as moves,
            0 as reversed_moves
        from {{ entries }} as moved
        where
            segment <> '(left)'
            and previous_segment <> '(left)'
        union all
        select
            entered_on as as_of_date,
            segmentation,
            previous_rule_version as rule_version,
            0 as moves,
            1 as reversed_moves
        from {{ entries }} as reversed
        where
            segment = previous_entered_from
            and previous_segment <> '(left)'
            and previous_entered_from <> '(left)'
            and {{ days_between('previous_entered_on', 'entered_on') }} <= 30
    ) as counted
    group by
        as_of_date,
        segmentation,
        rule_version
{%- endmacro %}

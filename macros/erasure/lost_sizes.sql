{#- A select: what erased customers were counted for in fct_segment_daily, one row per day, segmentation and segment.
    Sales of days whose features are no longer kept are not known any more, and stay counted. -#}
{% macro lost_sizes() -%}
    with spells as (

        select * from {{ rows_of_erased(ref('fct_segment_spells')) }} as spells

    ),

    days as (

        select
            as_of_date,
            key_frame
        from {{ ref('measured_days') }}

    ),

    measures as (
        {{ measures_of_days(rows_of_erased(ref('measure_changes'))) }}
    ),

    segmentation_days as (

        select distinct as_of_date
        from {{ ref('segmentation_days') }}

    ),

    counted as (

        select
            segmentation_days.as_of_date,
            spells.segmentation,
            spells.segment,
            1 as customers,
            0 as entered,
            0 as exited,
            0 as joined,
            0 as {{ adapter.quote('left') }},
            coalesce({{ exact('measures.net_sales_30d') }}, 0) as net_exact_30d,
            coalesce(measures.orders_30d, 0) as orders_30d
        from spells
        inner join segmentation_days
            on
                segmentation_days.as_of_date >= spells.valid_from
                and segmentation_days.as_of_date < spells.valid_to
        left join measures
            on
                spells.customer_id = measures.customer_id
                and segmentation_days.as_of_date = measures.as_of_date
                and (measures.orders_30d > 0 or measures.net_sales_30d <> 0)
        union all
        select
            valid_from as as_of_date,
            segmentation,
            segment,
            0 as customers,
            1 as entered,
            0 as exited,
            case when previous_segment is null then 1 else 0 end as joined,
            0 as {{ adapter.quote('left') }},
            0 as net_exact_30d,
            0 as orders_30d
        from spells
        union all
        select
            valid_to as as_of_date,
            segmentation,
            segment,
            0 as customers,
            0 as entered,
            1 as exited,
            0 as joined,
            case when next_segment = '(left)' then 1 else 0 end as {{ adapter.quote('left') }},
            0 as net_exact_30d,
            0 as orders_30d
        from spells
        where not is_current

    )

    select
        as_of_date,
        segmentation,
        segment,
        cast(sum(customers) as bigint) as customers,
        cast(sum(entered) as bigint) as entered,
        cast(sum(exited) as bigint) as exited,
        cast(sum(joined) as bigint) as joined,
        cast(sum({{ adapter.quote('left') }}) as bigint) as {{ adapter.quote('left') }},
        {{ money('sum(net_exact_30d)') }} as net_sales_30d,
        cast(sum(orders_30d) as bigint) as orders_30d
    from counted
    group by
        as_of_date,
        segmentation,
        segment
{%- endmacro %}

{#- The statement that removes the days on which a segment that the rules had dropped was listed for erased customers
    alone. -#}
{% macro forget_empty_segments() -%}
    delete from {{ ref('fct_segment_daily') }} as daily
    where
        daily.customers = 0
        and daily.exited = 0
        and not exists (
            select 1
            from {{ ref('segmentation_days') }} as segmentation_days
            inner join {{ ref('segment_versions') }} as segment_versions
                on
                    segmentation_days.segmentation = segment_versions.segmentation
                    and segmentation_days.rule_version = segment_versions.rule_version
            where
                segmentation_days.as_of_date = daily.as_of_date
                and segment_versions.segmentation = daily.segmentation
                and segment_versions.segment = daily.segment
        )
{%- endmacro %}

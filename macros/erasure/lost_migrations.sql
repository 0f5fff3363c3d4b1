{#- A select: what erased customers were counted for in fct_segment_migrations, one row per period, segmentation, from
    and to segment. Whoever was nowhere before a period and after it is in none. -#}
{% macro lost_migrations() -%}
    with spells as (

        select * from {{ rows_of_erased(ref('fct_segment_spells')) }} as spells

    ),

    customers as (

        select distinct
            customer_id,
            segmentation
        from spells

    ),

    last_day as (

        select max(as_of_date) as as_of_date
        from {{ ref('segmentation_days') }}

    ),

    periods as (

        select distinct
            migrations.period,
            migrations.period_start,
            least(migrations.period_end, last_day.as_of_date) as known_end
        from {{ ref('fct_segment_migrations') }} as migrations
        cross join last_day

    )

    select
        periods.period,
        periods.period_start,
        customers.segmentation,
        coalesce(spells_before.segment, '(new)') as from_segment,
        coalesce(spells_after.segment, '(left)') as to_segment,
        count(*) as customers
    from periods
    cross join customers
    left join spells as spells_before
        on
            customers.customer_id = spells_before.customer_id
            and customers.segmentation = spells_before.segmentation
            and periods.period_start > spells_before.valid_from
            and periods.period_start <= spells_before.valid_to
    left join spells as spells_after
        on
            customers.customer_id = spells_after.customer_id
            and customers.segmentation = spells_after.segmentation
            and periods.known_end >= spells_after.valid_from
            and periods.known_end < spells_after.valid_to
    where
        spells_before.segment is not null
        or spells_after.segment is not null
    group by
        periods.period,
        periods.period_start,
        customers.segmentation,
        coalesce(spells_before.segment, '(new)'),
        coalesce(spells_after.segment, '(left)')
{%- endmacro %}

-- All stays at 0 days end or are censored somewhere on the curve, and with those left out they are all stays there are.
with curves as (

    select
        segmentation,
        segment,
        max(at_risk) as stays,
        sum(exits + censored) as gone,
        max(stays_left_out) as stays_left_out
    from {{ ref('fct_segment_dwell') }}
    group by
        segmentation,
        segment

),

spells as (

    select
        segmentation,
        segment,
        count(*) as stays
    from {{ ref('fct_segment_spells') }}
    group by
        segmentation,
        segment

)

select
    curves.*,
    spells.stays as all_stays
from curves
left join spells
    on
        curves.segmentation = spells.segmentation
        and curves.segment = spells.segment
where
    curves.stays <> curves.gone
    or (curves.segment <> '(all)' and curves.stays + curves.stays_left_out <> coalesce(spells.stays, 0))

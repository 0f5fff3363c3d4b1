-- A move counts on the last of its confirming days, unless the customer joined, left or came back, or the segment is
-- immediate.
with segment_entries as (

    select * from {{ ref('segment_entries') }}

),

dim_segmentations as (

    select * from {{ ref('dim_segmentations') }}

),

dim_segments as (

    select * from {{ ref('dim_segments') }}

)

select segment_entries.*
from segment_entries
inner join dim_segmentations
    on
        segment_entries.segmentation = dim_segmentations.segmentation
        and segment_entries.rule_version = dim_segmentations.rule_version
inner join dim_segments
    on
        segment_entries.segmentation = dim_segments.segmentation
        and segment_entries.segment = dim_segments.segment
        and segment_entries.rule_version = dim_segments.rule_version
where
    not dim_segments.is_immediate
    and segment_entries.previous_segment <> '(left)'
    and segment_entries.segment <> '(left)'
    and {{ days_between('segment_entries.held_since', 'segment_entries.entered_on') }}
    < dim_segmentations.confirm_days - 1

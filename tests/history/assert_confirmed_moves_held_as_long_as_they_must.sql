-- A move counts on the last of its confirming days, unless the customer joined, left or came back, the segment is
-- immediate, or the rules no longer have the one before it.
with segment_entries as (

    select * from {{ ref('segment_entries') }}
    where entered_on >= {{ first_tested() }}

),

dim_segmentations as (

    select * from {{ ref('dim_segmentations') }}

),

dim_segments as (

    select * from {{ ref('dim_segments') }}

),

segmentation_days as (

    select * from {{ ref('segmentation_days') }}

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
-- The rules in force when the move counted; it may have begun under others.
inner join segmentation_days
    on
        segment_entries.segmentation = segmentation_days.segmentation
        and segment_entries.entered_on = segmentation_days.as_of_date
inner join dim_segments as previous_segments
    on
        segmentation_days.segmentation = previous_segments.segmentation
        and segmentation_days.rule_version = previous_segments.rule_version
        and segment_entries.previous_segment = previous_segments.segment
where
    not dim_segments.is_immediate
    and segment_entries.segment <> '(left)'
    and {{ days_between('segment_entries.held_since', 'segment_entries.entered_on') }}
    < dim_segmentations.confirm_days - 1

-- A spell begins where the one before it ends, unless the customer was away between them.
with followed as (

    select
        *,
        lead(valid_from) over (
            partition by customer_id, segmentation
            order by valid_from
        ) as next_valid_from
    from {{ ref('fct_segment_spells') }}
    where valid_to >= {{ first_tested() }}

)

select *
from followed
where
    valid_from >= valid_to
    or next_valid_from < valid_to
    or (next_valid_from > valid_to and next_segment <> '(left)')
    or (next_valid_from is null and not is_current and next_segment <> '(left)')

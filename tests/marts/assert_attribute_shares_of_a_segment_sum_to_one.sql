{{ config(tags=['weekly']) }}
-- The values of an attribute, the unknown included, divide a segment without rest: shares sum to 1, customers to the
-- segment's size on the day of the profiles.
with sizes as (

    select
        segmentation,
        segment,
        sum(customers) as customers
    from {{ ref('profiled_segments') }}
    group by
        segmentation,
        segment

),

attributes as (

    select distinct attribute
    from {{ ref('fct_segment_attribute_shares') }}

),

shares as (

    select
        segmentation,
        segment,
        attribute,
        sum(customers) as customers,
        sum(share) as share
    from {{ ref('fct_segment_attribute_shares') }}
    group by
        segmentation,
        segment,
        attribute

)

select
    sizes.*,
    attributes.attribute,
    shares.customers as customers_in_shares,
    shares.share
from sizes
cross join attributes
left join shares
    on
        sizes.segmentation = shares.segmentation
        and sizes.segment = shares.segment
        and attributes.attribute = shares.attribute
where
    coalesce(shares.customers, -1) <> sizes.customers
    or abs(shares.share - 1) > 0.000001

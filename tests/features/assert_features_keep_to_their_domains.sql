{{ config(tags=['weekly']) }}
-- Proofs about rules (unreachable segments, versions that are the same) rest on the domains that _features.yml
-- declares.
-- Days before the run's window may have been built before a feature was there.
with customer_features as (

    select *
    from {{ ref('customer_features') }}
    where as_of_date between {{ first_date() }} and {{ last_date() }}

),

violated as (
    {{ domain_violations() }}

)

select * from violated

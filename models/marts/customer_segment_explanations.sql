with explained as (

    select * from {{ ref('segment_explanations') }}

),

customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date = {{ last_date() }}

),

rule_cut_points as (

    select * from {{ ref('rule_cut_points') }}

),

{{ explanation_texts(definitions(), last_date()) }}

select
    {{ last_date() }} as as_of_date,
    customer_id,
    segmentation,
    segment,
    rule_segment,
    rule_version,
    explanation,
    deciding_clauses,
    clause_values,
    missed_rules,
    fit,
    nearest_segment,
    change_feature,
    change_from,
    change_to
from told

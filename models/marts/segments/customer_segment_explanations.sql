-- Compiled by `python -m flows.compile` from seg_*.yml: edit that file, not this one.
{{ config(materialized='view') }}

with segment_explanations as (

    select * from {{ ref('segment_explanations') }}

),

customer_features as (

    select * from {{ ref('customer_features') }}
    where as_of_date = {{ last_date() }}

),

rule_changes as (

    select * from {{ ref('rule_changes') }}

),

pattern_texts as (

    select * from {{ ref('pattern_texts') }}

),

feature_texts as (

    select
        cast(customer_features.responses_365d as {{ dbt.type_string() }}) as responses_365d,
        case
            when customer_features.discount_share_365d = floor(customer_features.discount_share_365d)
                then cast(cast(customer_features.discount_share_365d as bigint) as {{ dbt.type_string() }})
            else cast(round(customer_features.discount_share_365d, 4) as {{ dbt.type_string() }})
        end as discount_share_365d,
        cast(customer_features.household_composition as {{ dbt.type_string() }}) as household_composition,
        cast(customer_features.age_band as {{ dbt.type_string() }}) as age_band,
        cast(customer_features.orders_lifetime as {{ dbt.type_string() }}) as orders_lifetime,
        cast(customer_features.days_since_last_order as {{ dbt.type_string() }}) as days_since_last_order,
        cast(customer_features.days_since_first_order as {{ dbt.type_string() }}) as days_since_first_order,
        cast(customer_features.longest_pause_90d as {{ dbt.type_string() }}) as longest_pause_90d,
        cast(customer_features.active_days_90d as {{ dbt.type_string() }}) as active_days_90d,
        cast(customer_features.recency_score as {{ dbt.type_string() }}) as recency_score,
        cast(customer_features.frequency_score as {{ dbt.type_string() }}) as frequency_score,
        cast(customer_features.monetary_score as {{ dbt.type_string() }}) as monetary_score,
        customer_features.customer_id
    from customer_features

),

explained as (

    select
        segment_explanations.*,
        rule_changes.feature as change_feature,
        rule_changes.change_to,
        case rule_changes.column_name
            when 'responses_365d' then feature_texts.responses_365d
            when 'discount_share_365d' then feature_texts.discount_share_365d
            when 'household_composition' then feature_texts.household_composition
            when 'age_band' then feature_texts.age_band
            when 'orders_lifetime' then feature_texts.orders_lifetime
            when 'days_since_last_order' then feature_texts.days_since_last_order
            when 'days_since_first_order' then feature_texts.days_since_first_order
            when 'longest_pause_90d' then feature_texts.longest_pause_90d
            when 'active_days_90d' then feature_texts.active_days_90d
            when 'recency_score' then feature_texts.recency_score
            when 'frequency_score' then feature_texts.frequency_score
            when 'monetary_score' then feature_texts.monetary_score
        end as change_from,
        case
            when
                segment_explanations.segmentation = 'seg_deals'
                and segment_explanations.rule_segment = 'coupon_users'
                then
                    'responses_365d ' || coalesce(feature_texts.responses_365d, 'missing')
            when
                segment_explanations.segmentation = 'seg_deals'
                and segment_explanations.rule_segment = 'deal_seekers'
                then
                    'discount_share_365d ' || coalesce(feature_texts.discount_share_365d, 'missing')
            when
                segment_explanations.segmentation = 'seg_deals'
                and segment_explanations.rule_segment = 'full_price'
                then
                    'discount_share_365d ' || coalesce(feature_texts.discount_share_365d, 'missing')
            when
                segment_explanations.segmentation = 'seg_deals'
                and segment_explanations.rule_segment = 'balanced'
                then
                    'discount_share_365d ' || coalesce(feature_texts.discount_share_365d, 'missing')
            when
                segment_explanations.segmentation = 'seg_household'
                and segment_explanations.rule_segment = 'families'
                then
                    'household_composition ' || coalesce(feature_texts.household_composition, 'missing')
            when
                segment_explanations.segmentation = 'seg_household'
                and segment_explanations.rule_segment = 'seniors'
                then
                    'age_band ' || coalesce(feature_texts.age_band, 'missing')
            when
                segment_explanations.segmentation = 'seg_household'
                and segment_explanations.rule_segment = 'young_singles'
                then
                    'household_composition ' || coalesce(feature_texts.household_composition, 'missing')
                    || ', age_band ' || coalesce(feature_texts.age_band, 'missing')
            when
                segment_explanations.segmentation = 'seg_household'
                and segment_explanations.rule_segment = 'young_couples'
                then
                    'age_band ' || coalesce(feature_texts.age_band, 'missing')
                    || ', household_composition ' || coalesce(feature_texts.household_composition, 'missing')
            when
                segment_explanations.segmentation = 'seg_household'
                and segment_explanations.rule_segment = 'singles'
                then
                    'household_composition ' || coalesce(feature_texts.household_composition, 'missing')
            when
                segment_explanations.segmentation = 'seg_household'
                and segment_explanations.rule_segment = 'couples'
                then
                    'household_composition ' || coalesce(feature_texts.household_composition, 'missing')
            when
                segment_explanations.segmentation = 'seg_lifecycle'
                and segment_explanations.rule_segment = 'prospect'
                then
                    'orders_lifetime ' || coalesce(feature_texts.orders_lifetime, 'missing')
            when
                segment_explanations.segmentation = 'seg_lifecycle'
                and segment_explanations.rule_segment = 'churned'
                then
                    'days_since_last_order ' || coalesce(feature_texts.days_since_last_order, 'missing')
            when
                segment_explanations.segmentation = 'seg_lifecycle'
                and segment_explanations.rule_segment = 'at_risk'
                then
                    'days_since_last_order ' || coalesce(feature_texts.days_since_last_order, 'missing')
            when
                segment_explanations.segmentation = 'seg_lifecycle'
                and segment_explanations.rule_segment = 'new'
                then
                    'days_since_first_order ' || coalesce(feature_texts.days_since_first_order, 'missing')
            when
                segment_explanations.segmentation = 'seg_lifecycle'
                and segment_explanations.rule_segment = 'reactivated'
                then
                    'longest_pause_90d ' || coalesce(feature_texts.longest_pause_90d, 'missing')
            when
                segment_explanations.segmentation = 'seg_lifecycle'
                and segment_explanations.rule_segment = 'loyal'
                then
                    'active_days_90d ' || coalesce(feature_texts.active_days_90d, 'missing')
            when
                segment_explanations.segmentation = 'seg_value'
                and segment_explanations.rule_segment = 'champions'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', frequency_score ' || coalesce(feature_texts.frequency_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value'
                and segment_explanations.rule_segment = 'loyal_customers'
                then
                    'frequency_score ' || coalesce(feature_texts.frequency_score, 'missing')
                    || ', recency_score ' || coalesce(feature_texts.recency_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value'
                and segment_explanations.rule_segment = 'potential_loyalists'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', frequency_score ' || coalesce(feature_texts.frequency_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value'
                and segment_explanations.rule_segment = 'recent_customers'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', frequency_score ' || coalesce(feature_texts.frequency_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value'
                and segment_explanations.rule_segment = 'promising'
                then
                    'frequency_score ' || coalesce(feature_texts.frequency_score, 'missing')
                    || ', recency_score ' || coalesce(feature_texts.recency_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value'
                and segment_explanations.rule_segment = 'needs_attention'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', frequency_score ' || coalesce(feature_texts.frequency_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value'
                and segment_explanations.rule_segment = 'about_to_sleep'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', frequency_score ' || coalesce(feature_texts.frequency_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value'
                and segment_explanations.rule_segment = 'cannot_lose'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', frequency_score ' || coalesce(feature_texts.frequency_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value'
                and segment_explanations.rule_segment = 'at_risk'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', frequency_score ' || coalesce(feature_texts.frequency_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value'
                and segment_explanations.rule_segment = 'hibernating'
                then
                    'frequency_score ' || coalesce(feature_texts.frequency_score, 'missing')
                    || ', recency_score ' || coalesce(feature_texts.recency_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value_by_spend'
                and segment_explanations.rule_segment = 'champions'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', monetary_score ' || coalesce(feature_texts.monetary_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value_by_spend'
                and segment_explanations.rule_segment = 'loyal_customers'
                then
                    'monetary_score ' || coalesce(feature_texts.monetary_score, 'missing')
                    || ', recency_score ' || coalesce(feature_texts.recency_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value_by_spend'
                and segment_explanations.rule_segment = 'potential_loyalists'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', monetary_score ' || coalesce(feature_texts.monetary_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value_by_spend'
                and segment_explanations.rule_segment = 'recent_customers'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', monetary_score ' || coalesce(feature_texts.monetary_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value_by_spend'
                and segment_explanations.rule_segment = 'promising'
                then
                    'monetary_score ' || coalesce(feature_texts.monetary_score, 'missing')
                    || ', recency_score ' || coalesce(feature_texts.recency_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value_by_spend'
                and segment_explanations.rule_segment = 'needs_attention'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', monetary_score ' || coalesce(feature_texts.monetary_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value_by_spend'
                and segment_explanations.rule_segment = 'about_to_sleep'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', monetary_score ' || coalesce(feature_texts.monetary_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value_by_spend'
                and segment_explanations.rule_segment = 'cannot_lose'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', monetary_score ' || coalesce(feature_texts.monetary_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value_by_spend'
                and segment_explanations.rule_segment = 'at_risk'
                then
                    'recency_score ' || coalesce(feature_texts.recency_score, 'missing')
                    || ', monetary_score ' || coalesce(feature_texts.monetary_score, 'missing')
            when
                segment_explanations.segmentation = 'seg_value_by_spend'
                and segment_explanations.rule_segment = 'hibernating'
                then
                    'monetary_score ' || coalesce(feature_texts.monetary_score, 'missing')
                    || ', recency_score ' || coalesce(feature_texts.recency_score, 'missing')
        end as clause_values
    from segment_explanations
    inner join feature_texts
        on segment_explanations.customer_id = feature_texts.customer_id
    left join rule_changes
        on
            segment_explanations.segmentation = rule_changes.segmentation
            and segment_explanations.change = rule_changes.change

),

told as (

    select
        explained.*,
        pattern_texts.deciding_clauses,
        pattern_texts.missed_rules,
        case
            when explained.segment = explained.rule_segment then ''
            else 'Still counts as ' || explained.segment || '. '
        end
        || explained.rule_segment || ': ' || coalesce(pattern_texts.deciding_clauses, 'no rule holds')
        || coalesce(', with ' || explained.clause_values, '')
        || coalesce('. Missed: ' || pattern_texts.missed_rules, '')
        || coalesce(
            '. Nearest: ' || explained.nearest_segment || coalesce(
                ', if ' || explained.change_feature || ' were ' || explained.change_to || ' instead of '
                || coalesce(explained.change_from, 'missing'),
                case
                    when explained.nearest_segment = explained.rule_segment then ', where the rules put them already'
                    else ', by no change of a single feature'
                end
            ),
            ''
        ) || '.' as explanation
    from explained
    left join pattern_texts
        on
            explained.segmentation = pattern_texts.segmentation
            and explained.rule_segment = pattern_texts.rule_segment
            and explained.held_clauses = pattern_texts.held_clauses

)

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

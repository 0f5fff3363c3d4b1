{%- set rows = [] -%}
{%- for definition in definitions() -%}
{%- for segment in definition.segments -%}
{%- for claim in segment.persona_claims -%}
    {%- do rows.append({
        'segmentation': sql_text(definition.name),
        'segment': sql_text(segment.name),
        'owner': sql_text(segment.owner),
        'persona': sql_text(segment.persona),
        'feature': sql_text(claim.feature),
        'claim': sql_text(claim.claim),
        'claimed_value': sql_text(claim.value),
    }) -%}
{%- endfor -%}
{%- endfor -%}
{%- endfor -%}

with claims as (
    {{ rows_of(rows, ['segmentation', 'segment', 'owner', 'persona', 'feature', 'claim', 'claimed_value']) }}

),

fct_segment_profiles as (

    select * from {{ ref('fct_segment_profiles') }}

),

fct_segment_attribute_shares as (

    select * from {{ ref('fct_segment_attribute_shares') }}

),

-- Of those of whom nothing is known nothing can be claimed. Everybody counts as one more segment.
attribute_counts as (

    select
        segmentation,
        segment,
        attribute,
        attribute_value,
        customers
    from fct_segment_attribute_shares
    where attribute_value <> '(unknown)'
    union all
    select distinct
        '(all)' as segmentation,
        '(all)' as segment,
        attribute,
        attribute_value,
        population_customers as customers
    from fct_segment_attribute_shares
    where attribute_value <> '(unknown)'

),

claimed_shares as (

    select
        claims.segmentation,
        claims.segment,
        claims.feature,
        attribute_counts.segment = '(all)' as is_population,
        sum(
            case when attribute_counts.attribute_value = claims.claimed_value then attribute_counts.customers else 0 end
        )
        / cast(sum(attribute_counts.customers) as double) as share
    from claims
    inner join attribute_counts
        on claims.feature = attribute_counts.attribute
    where
        claims.claim = 'mostly'
        and attribute_counts.segmentation in (claims.segmentation, '(all)')
        and attribute_counts.segment in (claims.segment, '(all)')
    group by
        claims.segmentation,
        claims.segment,
        claims.feature,
        attribute_counts.segment = '(all)'

),

compared as (

    select
        claims.segmentation,
        claims.segment,
        claims.owner,
        claims.persona,
        claims.feature,
        claims.claim,
        claims.claimed_value,
        coalesce(profiles.median, segment_shares.share) as segment_value,
        coalesce(profiles.population_median, population_shares.share) as population_value
    from claims
    left join fct_segment_profiles as profiles
        on
            claims.segmentation = profiles.segmentation
            and claims.segment = profiles.segment
            and claims.feature = profiles.feature
    left join claimed_shares as segment_shares
        on
            claims.segmentation = segment_shares.segmentation
            and claims.segment = segment_shares.segment
            and claims.feature = segment_shares.feature
            and not segment_shares.is_population
    left join claimed_shares as population_shares
        on
            claims.segmentation = population_shares.segmentation
            and claims.segment = population_shares.segment
            and claims.feature = population_shares.feature
            and population_shares.is_population

)

select
    {{ last_date() }} as as_of_date,
    segmentation,
    segment,
    owner,
    persona,
    feature,
    claim,
    claimed_value,
    segment_value,
    population_value,
    case claim
        when 'above' then segment_value > population_value
        when 'below' then segment_value < population_value
        else segment_value > 0.5
    end as holds
from compared

with fct_persona_daily as (

    select * from {{ ref('fct_persona_daily') }}
    where as_of_date = {{ last_date() }}

),

dim_segments as (

    select * from {{ ref('dim_segments') }}
    where is_current

)

select
    fct_persona_daily.as_of_date,
    fct_persona_daily.segmentation,
    fct_persona_daily.segment,
    dim_segments.owner,
    dim_segments.persona,
    fct_persona_daily.feature,
    fct_persona_daily.claim,
    fct_persona_daily.claimed_value,
    fct_persona_daily.segment_value,
    fct_persona_daily.population_value,
    fct_persona_daily.holds
from fct_persona_daily
inner join dim_segments
    on
        fct_persona_daily.segmentation = dim_segments.segmentation
        and fct_persona_daily.segment = dim_segments.segment

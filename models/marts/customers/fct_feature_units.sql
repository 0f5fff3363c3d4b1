with feature_units as (

    select * from {{ ref('feature_units') }}

)

select
    as_of_date,
    feature,
    unit
from feature_units
where as_of_date <= {{ last_date() }}

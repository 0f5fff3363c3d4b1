-- On every day built by this run and in every segmentation, the segments' customers are all customers known that day.
select *
from {{ ref('daily_totals') }}
where
    difference <> 0
    or segmentation is null

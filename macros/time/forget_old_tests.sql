{#- Removes what a table says of days that lie more than vars: tests_kept_days before the run's last one. By that
    day, however the days before were split into runs. Of fct_alert_tests alerts stay (`findings_stay`), and of each
    kind a test on the days without one: alerts are resolved by the days on which their kind was judged. -#}
{% macro forget_old_tests(findings_stay=false) -%}
    {%- if var('tests_kept_days') is not none -%}
        {%- set oldest = last_date(-var('tests_kept_days')) -%}
        delete from {{ this }} as old
        where
            old.as_of_date < {{ oldest }}
            {%- if findings_stay %}
            and not old.is_alert
            and exists (
                select 1
                from {{ this }} as kept
                where
                    kept.as_of_date < {{ oldest }}
                    and kept.as_of_date = old.as_of_date
                    and kept.kind = old.kind
                    and (
                        kept.is_alert
                        or kept.segmentation || '/' || kept.segment || '/' || kept.feature
                        < old.segmentation || '/' || old.segment || '/' || old.feature
                    )
            )
            {%- endif %}
    {%- endif -%}
{%- endmacro %}

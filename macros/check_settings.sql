{#- Stops a build whose vars would become wrong SQL: the part of the settings that a bare dbt
    checks. Flows check all of them, by flows/steps/settings.py. -#}
{% macro check_settings() %}
    {%- if execute -%}
        {%- set wrong = [] -%}
        {%- for kind, names in settings_by_kind().items() -%}
            {%- for name in names -%}
                {%- set listed = var(name) is iterable and var(name) is not string and var(name) is not mapping -%}
                {%- for value in (var(name) if listed else [var(name)]) -%}
                    {%- if value is not none and not modules.re.fullmatch(form_of_setting(kind), value | string) -%}
                        {%- do wrong.append('vars: ' ~ name ~ ' is ' ~ tojson(value | string) ~ ', but must be ' ~ kind ~ '.') -%}
                    {%- endif -%}
                {%- endfor -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- if wrong -%}
            {{ exceptions.raise_compiler_error(wrong | join('\n')) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{#- The vars that become SQL unchanged, by what they must be; null aside. -#}
{% macro settings_by_kind() %}
    {{ return({
        'a whole number': [
            'late_days', 'features_kept_days', 'value_holdout_days', 'cross_sell_minimum_buyers',
            'profiles_every_days', 'typical_customer_alike', 'drift_every_days', 'alert_minimum_customers', 'alert_compared_weeks',
            'alert_usual_days', 'alert_minimum_weeks', 'alert_response_days', 'alert_response_window_days',
            'outgrown_days', 'alert_resolve_days', 'tests_kept_days', 'regular_orders', 'lapsed_days', 'follow_up_days',
        ],
        'a number': [
            'alert_minimum_psi', 'alert_minimum_change', 'alert_minimum_score', 'outgrown_rand_index',
            'alert_false_discovery_rate',
        ],
        'true or false': ['incremental_features'],
        'a date, YYYY-MM-DD': ['history_start', 'first_date', 'last_date', 'drift_baseline_date', 'earliest_order_date'],
        'a plain name': [
            'customer_id_type', 'timezone', 'sources', 'drift_features', 'cross_sell_segmentation',
        ],
    }) }}
{% endmacro %}

{#- The form of a setting's text, as a regular expression. -#}
{% macro form_of_setting(kind) %}
    {{ return({
        'a whole number': '[0-9]{1,15}',
        'a number': '-?[0-9]{1,15}([.][0-9]{1,15})?(e-[0-9]{2})?',
        'true or false': 'True|False',
        'a date, YYYY-MM-DD': '[0-9]{4}-[0-9]{2}-[0-9]{2}',
        'a plain name': '[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*',
    }[kind]) }}
{% endmacro %}

{#- What every customer's features hold to, as models/features/_features.yml declares
    it under config: meta: domain, {feature: {data_type, value, is_nullable, is_optional, bounds,
    at_most, only_when, exactly_when, age_of}}: bounds, only_when and exactly_when
    as parsed clauses, at_most and age_of as names of features. docs/rules.md says
    what the words mean. Known while `execute` is true; mistakes raise. -#}
{% macro feature_domains() %}
    {%- set columns = graph.nodes['model.' ~ project_name ~ '.customer_features'].columns -%}
    {#- A domain may name protected features: it decides nothing. -#}
    {%- set features = {} -%}
    {%- set dates = {} -%}
    {%- for name, feature in known_features().items() -%}
        {%- do features.update({name: dict(feature, protected=false)}) -%}
        {%- do dates.update({age_name(name): name} if feature_kind(feature.data_type) == 'date' else {}) -%}
    {%- endfor -%}
    {%- set domains = {} -%}
    {%- for name in features -%}
        {%- set declared = columns[name].config.meta.get('domain', {}) if name in columns else {'age_of': dates[name]} -%}
        {%- do domains.update({name: domain_of(name, declared, features)}) -%}
    {%- endfor -%}
    {{ return(domains) }}
{% endmacro %}

{#- One feature's domain, parsed and checked. -#}
{% macro domain_of(name, declared, features) %}
    {%- set where = 'Feature ' ~ name ~ ', domain' -%}
    {%- set feature = features[name] -%}
    {%- set kind = feature_kind(feature.data_type) -%}
    {%- do refuse_unknown_keys(declared, ['minimum', 'maximum', 'nullable', 'optional', 'at_most', 'only_when', 'exactly_when', 'age_of'], where) -%}
    {%- set nullable = declared.get('nullable', true) -%}
    {%- if nullable is not boolean -%}
        {{ exceptions.raise_compiler_error(where ~ ": nullable is '" ~ nullable ~ "'; it can be true or false.") }}
    {%- elif declared.get('optional', false) is not boolean -%}
        {{ exceptions.raise_compiler_error(where ~ ": optional is '" ~ declared.optional ~ "'; it can be true or false.") }}
    {%- elif declared.get('optional', false) and (kind != 'number' or not nullable) -%}
        {{ exceptions.raise_compiler_error(where ~ ": optional is for numbers that may be missing; this is " ~ ('never missing' if kind == 'number' else 'a ' ~ kind) ~ '.') }}
    {%- elif kind != 'number' and not nullable and ('only_when' in declared or 'exactly_when' in declared) -%}
        {{ exceptions.raise_compiler_error(where ~ ": only_when and exactly_when say when it is missing or 0, but it is never missing, and " ~ kind ~ " is never 0.") }}
    {%- endif -%}

    {%- set bounds = [] -%}
    {%- for key, operator in {'minimum': '>=', 'maximum': '<='}.items() if key in declared -%}
        {%- do bounds.append(domain_clause(name ~ ' ' ~ operator ~ ' ' ~ declared[key], features, where ~ ', ' ~ key)) -%}
    {%- endfor -%}
    {%- set above = declared.get('at_most', []) -%}
    {%- set above = [above] if above is string else above -%}
    {%- set age_of = declared.get('age_of') -%}
    {%- for other in above + ([age_of] if age_of else []) -%}
        {%- if other not in features -%}
            {{ exceptions.raise_compiler_error(where ~ ": there is no feature '" ~ other ~ "'. Did you mean '" ~ nearest_name(other | string, features) ~ "'?") }}
        {%- endif -%}
    {%- endfor -%}
    {%- for other in above if kind not in ['number', 'date'] or feature_kind(features[other].data_type) != kind -%}
        {{ exceptions.raise_compiler_error(where ~ ", at_most: '" ~ name ~ "' (" ~ feature.data_type ~ ") and '" ~ other ~ "' (" ~ features[other].data_type ~ ") have no common order.") }}
    {%- endfor -%}
    {%- if age_of and (kind != 'number' or feature_kind(features[age_of].data_type) != 'date') -%}
        {{ exceptions.raise_compiler_error(where ~ ": age_of says that a number is the days since a date, but '" ~ age_of ~ "' is of type " ~ features[age_of].data_type ~ '.') }}
    {%- endif -%}

    {%- set conditions = {'only_when': none, 'exactly_when': none} -%}
    {%- for key in conditions if key in declared -%}
        {%- do conditions.update({key: domain_clause(declared[key], features, where ~ ', ' ~ key)}) -%}
    {%- endfor -%}
    {{ return(dict(
        conditions, data_type=feature.data_type | lower, value=feature.value, is_nullable=nullable,
        is_optional=declared.get('optional', false), bounds=bounds,
        at_most=above, age_of=age_of,
    )) }}
{% endmacro %}

{#- A clause that a domain is declared with, parsed; percentiles differ from day to
    day, so they declare nothing. -#}
{% macro domain_clause(text, features, where) %}
    {%- set clause = parse_clause(text, features) -%}
    {%- set error = clause.error or ('a percentile is no fixed value' if clause.percentiles) -%}
    {%- if error -%}
        {{ exceptions.raise_compiler_error(where ~ ", clause '" ~ text ~ "': " ~ error ~ '.') }}
    {%- endif -%}
    {{ return(clause) }}
{% endmacro %}

{#- What a persona says in numbers, {feature: claim} in YAML, as a list [{feature,
    claim, value}]: claim is above, below or mostly, value the attribute's value
    that `{mostly: value}` names, else none. docs/rules.md says what they mean;
    claims decide nothing, so protected features may be named. Mistakes raise. -#}
{% macro parse_persona_claims(claims, features, where) %}
    {%- if claims is not mapping -%}
        {{ exceptions.raise_compiler_error(where ~ ": persona_claims says of each feature how the segment differs, `persona_claims: {discount_share_365d: above}`, not '" ~ claims ~ "'.") }}
    {%- endif -%}
    {%- set claimable = (profiled_features() | list) + (profiled_attributes() | list) if claims else [] -%}
    {%- set parsed = [] -%}
    {%- for name, claim in claims.items() -%}
        {%- set here = where ~ ": persona_claims: '" ~ name ~ "' is " -%}
        {%- set kind = feature_kind(features[name].data_type) if name in features -%}
        {%- if kind == 'date' -%}
            {{ exceptions.raise_compiler_error(here ~ "a date; claim something of its age, '" ~ age_name(name) ~ "'.") }}
        {%- elif name not in claimable -%}
            {{ exceptions.raise_compiler_error(where ~ ": persona_claims names '" ~ name ~ "', but there is no such feature in the profiles. Did you mean '" ~ nearest_name(name | string, claimable) ~ "'?") }}
        {%- elif kind == 'number' and claim not in ['above', 'below'] -%}
            {{ exceptions.raise_compiler_error(here ~ "a number, so its claim is above or below, not '" ~ claim ~ "'."
                ~ (" Did you mean '" ~ nearest_name(claim, ['above', 'below']) ~ "'?" if claim is string else '')) }}
        {%- elif kind != 'number' and (claim is not mapping or (claim | list) != ['mostly'] or claim.mostly is mapping or claim.mostly is none) -%}
            {{ exceptions.raise_compiler_error(here ~ "of type " ~ features[name].data_type ~ ", so its claim is the value of most, `{mostly: ...}`, not '" ~ claim ~ "'.") }}
        {%- endif -%}
        {%- do parsed.append({
            'feature': name,
            'claim': claim if kind == 'number' else 'mostly',
            'value': none if kind == 'number' else (claim.mostly | string | lower if kind == 'boolean' else claim.mostly | string),
        }) -%}
    {%- endfor -%}
    {{ return(parsed) }}
{% endmacro %}

"""The rule language outside dbt: definitions, proofs, explanations, plans."""

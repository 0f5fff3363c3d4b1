"""The report of a release: one page for segment owners and everybody else, made from its marts alone."""

"""What a daily run costs, beside a hand-written DuckDB script that computes the same: `make bench`."""

"""What the flows are made of: plain functions, each usable and tested without Prefect."""

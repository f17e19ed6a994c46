"""The kill matrix: what is killed x at which stage x how often, over a small real study on real Ray and real MLflow.

python -m tests.faults.matrix      the whole of it; the table that it prints stands in docs/reliability.md
"""

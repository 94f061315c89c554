"""
What is made from the code: `python -m tests.generated` writes it, or with `--check` compares.

settings_table  every setting, for deploy/README.md
metrics_table   every metric, for deploy/README.md
dashboard       the Grafana dashboard
rules           the rules of Prometheus as its operator takes them
"""

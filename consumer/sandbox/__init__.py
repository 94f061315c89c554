"""What a laptop, a test and a benchmark use in place of production."""

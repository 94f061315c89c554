"""The fault matrix: what can go wrong, made to happen on real parts, and judged by what was recorded."""

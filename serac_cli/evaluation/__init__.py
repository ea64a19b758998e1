"""Measures the editor: the paper's tasks, metrics and baselines, and each component against its bars."""

"""Edits what a language model says, without touching its weights."""

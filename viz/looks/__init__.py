"""Figures of what a network sees: arrays in, one picture out."""

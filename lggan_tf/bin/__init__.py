"""The binaries `lggan-train`, `lggan-generate` and `lggan-export`, and what they share.

absl flags are touched here alone.
"""

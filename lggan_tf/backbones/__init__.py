"""Pretrained feature networks, each with its own input scaling."""

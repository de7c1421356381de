"""Losses as maths on tensors, and the objective that names and weighs them."""

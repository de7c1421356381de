"""Training: the Keras model with its step, the loop, schedules and what is reported on the way."""

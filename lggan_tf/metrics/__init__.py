"""Image metrics, one per file; the name of the function is the name that is reported."""

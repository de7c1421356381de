"""From files to batches: class tables, importers, transforms, the pipeline, the embedded town."""

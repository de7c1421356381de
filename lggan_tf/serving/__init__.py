"""Serves SavedModels over HTTP: an island that imports none of this package's other folders.

What is served is a folder in TensorFlow Serving's layout, `MODELS_DIR/NAME/VERSION/saved_model.pb`,
known by nothing but its signatures; any SavedModel will do. The way of a request:

| file | what it does |
|---|---|
| `server` | sockets, signals, what HTTP itself refuses |
| `app`, `observed`, `body` | routes; one log line, one deadline, one error shape; a bounded body |
| `tensors`, `pictures` | JSON to arrays and back; the size of a picture from its header |
| `predictor`, `batcher` | from named arrays to named arrays, several requests at a time |
| `versions`, `loaded_model` | which versions are loaded; one SavedModel |
| `client` | a client in Python's standard library |
"""

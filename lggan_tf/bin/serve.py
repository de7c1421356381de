"""Serves SavedModels over HTTP, in TensorFlow Serving's REST API and as PNG in, PNG out.

    lggan-serve --models_dir=savedmodels --port=8501
    curl --data-binary @map.png 'http://127.0.0.1:8501/generate?model=town_semantic' > picture.png

The folder holds NAME/VERSION/saved_model.pb, as lggan-export writes it. New versions are found
while the server runs; SIGTERM and Ctrl-C answer what was accepted and end it.
"""

from pathlib import Path

from absl import flags

from lggan_tf.bin import quiet, runner
from lggan_tf.errors import UserError


def define(flag_values: flags.FlagValues) -> None:
    """Folder, address, limits."""
    for name, default, text in (
        ("models_dir", "savedmodels", "Folder of models, NAME/VERSION/saved_model.pb."),
        ("host", "127.0.0.1", "Address to listen at; 0.0.0.0 for all of this machine's."),
    ):
        flags.DEFINE_string(name, default, text, flag_values=flag_values)
    for name, default, lowest, text in (
        ("port", 8501, 0, "Port to listen at; 0 for a free one, which the log names."),
        ("max_batch_size", 8, 1, "Rows of a batch of several requests; 1: no batching."),
        ("queue_size", 128, 1, "Requests that may wait; more are refused with 429."),
        ("workers", 1, 1, "Calls of models at a time; each uses all cores."),
        ("max_request_bytes", 16 << 20, 1024, "Bytes of a request's body."),
        ("max_batch_pixels", 1 << 16, 1, "Height x width x rows of a batch of several requests."),
        ("max_pixels", 1 << 20, 1, "Height x width x batch of a request."),
    ):
        flags.DEFINE_integer(name, default, text, flag_values=flag_values, lower_bound=lowest)
    for name, default, lowest, text in (
        ("batch_timeout_ms", 5.0, 0.0, "Milliseconds that an idle server waits for a batch."),
        ("request_timeout_s", 60.0, 0.1, "Seconds that an answer may take."),
        ("client_timeout_s", 15.0, 0.1, "Seconds that sending a request may take."),
        ("poll_s", 2.0, 0.1, "Seconds between two looks for new versions."),
    ):
        flags.DEFINE_float(name, default, text, flag_values=flag_values, lower_bound=lowest)


def main(flag_values: flags.FlagValues) -> None:
    """Loads TensorFlow, then serves."""
    value = {name: flag_values[name].value for name in flag_values}
    if value["port"] > 65535:
        raise UserError(f"--port={value['port']} is above 65535")
    quiet.load_tensorflow()
    try:
        from lggan_tf.serving import server
        from lggan_tf.serving.settings import Settings
    except ModuleNotFoundError as error:
        raise UserError(
            f"the package {error.name} is missing; pip install 'lggan-tf[serve]'"
        ) from error
    settings = Settings(
        max_batch_size=value["max_batch_size"],
        batch_timeout=value["batch_timeout_ms"] / 1000,
        queue_size=value["queue_size"],
        workers=value["workers"],
        max_bytes=value["max_request_bytes"],
        max_batch_pixels=value["max_batch_pixels"],
        max_pixels=value["max_pixels"],
        request_timeout=value["request_timeout_s"],
        client_timeout=value["client_timeout_s"],
        poll_interval=value["poll_s"],
    )
    server.run(Path(value["models_dir"]), value["host"], value["port"], settings)


def console() -> None:
    """The console script."""
    runner.run(main, define)


if __name__ == "__main__":
    console()

"""The page at `/`: upload a label map, see the picture."""

import html as escaping
from importlib.resources import files

from lggan_tf.serving.versions import Version

# The page needs itself and this server, nothing else.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src blob: data:; connect-src 'self'"
}


def html(versions: list[Version]) -> str:
    """The page, with the models that have a signature `png` to choose from."""
    template = files(__package__).joinpath("page.html").read_text("utf-8")
    options = [
        f"<option>{escaping.escape(name)}</option>"
        for name in sorted({v.model for v in versions if "png" in v.loaded.signatures})
    ]
    return template.replace("<!-- models -->", "".join(options))

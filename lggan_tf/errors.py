"""The one exception that means "the input is wrong", as opposed to "the program is wrong"."""


class UserError(Exception):
    """Bad input that a user can mend.

    The message is one sentence: what is wrong, in which file, at which value, what to do. The
    binaries print it without a traceback and exit with code 2 (`lggan_tf.bin.runner`).
    """

"""Ends of a program that are not its fault: the input is wrong, or somebody stopped it."""


class UserError(Exception):
    """Bad input that a user can mend.

    The message is one sentence: what is wrong, in which file, at which value, what to do. The
    binaries print it without a traceback and exit with code 2 (`lggan_tf.bin.runner`).
    """


class Stopped(Exception):
    """A signal ended a run, and the run was saved; the exit code is 128 + `number`, as in shells.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int):
        super().__init__(f"stopped by signal {number}")
        self.number = number

"""What people see when their input cannot be used."""


class InputError(ValueError):
    """Input that cannot be used, told in one sentence: what, where, and what to do.

    The command line prints the sentence and ends with status 2; nothing has been written by then.
    """


class TrainingError(InputError):
    """A training that broke down again and again; the sentence says what was seen and what to try."""


class ScaleWarning(UserWarning):
    """Images that are classified have values far from those that were learnt, so that the answers are worth little."""


class NoClassOutputError(InputError, AttributeError):
    """A method without a class output has no `classifier_`, and `hasattr` says so."""

"""Everything that driftloop refuses, as a tree of exceptions.

    DriftloopError            a user's mistake or an unusable input; exit status 1
    ├── ParameterError        params.yaml, an override or an option; exit status 2
    ├── DataError             a dataset, a window, a download
    ├── ModelError            a model or detector folder, or a network that does not fit the data
    ├── ImageError            a container image, or the engine that builds and runs it
    ├── LedgerError           a decision that cannot be read, verified or written
    └── ReviewPendingError       a person has to decide first; exit status 75 (EX_TEMPFAIL)

A message says what is wrong, where, what came, what is allowed, and the next command. Only
`driftloop.cli` turns an exception into an exit status.
"""


class DriftloopError(Exception):
    """Base of all errors that are reported without a traceback."""

    exit_status = 1


class ParameterError(DriftloopError):
    """A parameter or an option has no such name, the wrong type, or a value out of range."""

    exit_status = 2


class DataError(DriftloopError):
    """Images or labels are missing, damaged, or not of the promised form."""


class ModelError(DriftloopError):
    """A model or detector folder is missing, damaged, or does not fit the data."""


class ImageError(DriftloopError):
    """A container image is missing or cannot be built, or its engine is not there."""


class LedgerError(DriftloopError):
    """The ledger of decisions is damaged, or refuses an entry."""


class ReviewPendingError(DriftloopError):
    """A drifted window waits for a person's decision."""

    exit_status = 75

"""Errors of the command line's own."""


class MissingExtraError(ImportError):
    """A library that reads this kind of file is not installed."""


class ModelFileError(ValueError):
    """A file does not hold a model that can be used, or not one that was trusted."""

"""The one exception that means "what you gave me is wrong": the command lines turn it into exit code 2."""


class InputError(ValueError):
    """The user's input is wrong. The message names the file, the record and the remedy, on one line."""

"""The one exception that means "what you gave me is wrong": the command lines turn it into exit code 2."""


class InputError(ValueError):
    """The user's input is wrong. The message names the file, the record and the remedy, on one line."""


def missing_extra(what: str, package: str, extra: str) -> InputError:
    """The error to raise where a package that only some users need is not installed.

    Parameters
    ----------
    what
        The command, option or function that needs it.
    package
        The package's name.
    extra
        The extra of this distribution that installs it.
    """
    return InputError(f"{what} needs {package}, which is not installed; pip install 'l2g-interp[{extra}]'")

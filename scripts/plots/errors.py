"""Errors that the user can fix: printed as one line, with exit status 2."""


class PlotError(Exception):
    pass

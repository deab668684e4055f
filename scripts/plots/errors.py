"""The errors that a user can mend: shown in one line, with exit status 2."""


class PlotError(Exception):
    pass

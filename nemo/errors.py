"""The one exception that a user can cause."""


class UserError(Exception):
    """Something the user can mend; the message is one sentence naming the file, the field and the remedy.

    The command line prints the message and exits with code 2; every other exception is a fault of ours.
    """

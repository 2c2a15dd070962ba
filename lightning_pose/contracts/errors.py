"""The errors a user may meet: each is one readable paragraph that names the way out."""

from __future__ import annotations


class LitposeError(Exception):
    """Something went wrong that the user can understand and mend; the message is for them.

    ``exit_code`` is what the command line returns: 1 failed, 2 wrong usage or configuration.
    """

    exit_code = 1


class ConfigError(LitposeError):
    """The configuration or the command line is wrong."""

    exit_code = 2


class DataError(LitposeError):
    """Labels, images or splits cannot be used as they are."""


class VideoError(LitposeError):
    """A video cannot be read, or was not read whole."""


class UnreadableError(VideoError):
    """A file cannot be read for now, so the system says: that tells nothing of what it holds."""


class ModelError(LitposeError):
    """A model, backbone or checkpoint cannot be built or loaded."""


class TrainingError(LitposeError):
    """Training cannot go on; the message says what was kept."""


class WriteError(LitposeError):
    """A result could not be written; nothing half-written is left under its final name."""


class FaultError(LitposeError):
    """What litpose did not foresee; told of like the others, and asked to be reported."""

    @classmethod
    def of(cls, error: Exception) -> FaultError:
        """Return what is told of an error."""
        words = ": ".join(filter(None, (type(error).__name__, str(error))))
        return cls(
            f"{words}. This is a fault of litpose, not of your data; please report it with the "
            "output of the same command and --debug."
        )


def let_go(error: BaseException) -> None:
    """Have an error that is to be kept keep nothing itself but its words, and those of its causes.

    Where each of them arose is remembered as frames, with all that their variables held.
    """
    left: list[BaseException | None] = [error]
    seen: set[int] = set()
    while left:
        found = left.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            found.__traceback__ = None
            left += [found.__cause__, found.__context__]

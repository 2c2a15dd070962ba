"""Reading and writing weight files, and saying in a sentence what is wrong with one.

Files are opened with ``weights_only=True``: tensors and plain values, never code.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.files import write_atomically

NUM_NAMED = 3  # how many keys a message names before it says "and n more"


def read_weight_file(path: Path, *, map_location: str | torch.device = "cpu") -> dict[str, Any]:
    """Return the dictionary stored in a ``.ckpt``, ``.pth``, ``.pt`` or ``.safetensors`` file.

    Raises:
        ModelError: the file is missing, may not be read, is cut short or spoilt, or holds
            something else.
    """
    path = Path(path)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "missing"
        raise ModelError(f"{path} is {what}; a weight file was expected. Check the path.")
    try:
        content = _READERS.get(path.suffix, _read_torch)(path, map_location)
    except PermissionError as error:
        raise ModelError(f"{path} may not be read; ask its owner for the permission.") from error
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} holds more than tensors and plain values, or is no weight file, and is not "
            f"opened for safety. Save its state_dict alone and use that file."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{path} cannot be read as a weight file; it may be cut short or spoilt. Copy or "
            f"download it again. ({_first(error)})"
        ) from error
    if not isinstance(content, dict):
        raise ModelError(
            f"{path} holds a {type(content).__name__}; a dictionary of weights was expected."
        )
    return content


def save_tensors(path: Path, content: Mapping[str, Any]) -> Path:
    """Write tensors and plain values as :func:`read_weight_file` reads them; return ``path``.

    They are put together in memory: torch reports a full disk as a fault of its own.

    Raises:
        WriteError: it cannot be written; what ``path`` held before is still there.
    """
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    return write_atomically(path, lambda temporary: temporary.write_bytes(buffer.getbuffer()))


def check_fit(
    given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, source: str, net: str
) -> None:
    """Raise ModelError unless both have the same keys with tensors of the same shapes.

    Args:
        given: weights from a file.
        wanted: the ``state_dict`` of the network they are for.
        source: the file, for the message.
        net: the network, for the message.
    """
    problems = []
    if missing := sorted(wanted.keys() - given.keys()):
        problems.append(f"it lacks {name_some(missing)}")
    if unknown := sorted(given.keys() - wanted.keys()):
        problems.append(f"it has unknown {name_some(unknown)}")
    common = sorted(wanted.keys() & given.keys())
    if other := [key for key in common if given[key].shape != wanted[key].shape]:
        key = other[0]
        problems.append(
            f"{name_some(other)} differ in shape (file {tuple(given[key].shape)}, network "
            f"{tuple(wanted[key].shape)})"
        )
    if problems:
        raise ModelError(f"{source} does not fit {net}: {'; '.join(problems)}.")


def name_some(keys: Iterable[str]) -> str:
    """Return the first few keys as text.

    Example:
        >>> name_some(["a", "b", "c", "d", "e"])
        'a, b, c and 2 more'
    """
    keys = list(keys)
    rest = len(keys) - NUM_NAMED
    return ", ".join(keys[:NUM_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _read_torch(path: Path, map_location: str | torch.device) -> Any:
    if zipfile.is_zipfile(path):  # torch itself does not look at the check sums
        with zipfile.ZipFile(path) as archive:
            if (spoilt := archive.testzip()) is not None:
                raise ValueError(f"{spoilt} in it is not what was written")
    try:
        return torch.load(path, map_location=map_location, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError):
        raise
    except Exception as error:  # whatever the unpickler stumbles over in other files
        raise ValueError(_first(error)) from error


def _read_safetensors(path: Path, map_location: str | torch.device) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device=str(map_location))
    except SafetensorError as error:
        raise ValueError(str(error)) from error


_READERS = {".safetensors": _read_safetensors}


def _first(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]

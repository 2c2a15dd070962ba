"""Where pretrained weights come from, and how they are laid onto a network.

Nothing is guessed: every parameter of the network must be in the file, and what the file has
beside them must belong to a head we know of.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn

from lightning_pose.contracts.errors import ModelError
from lightning_pose.models.weight_files import check_fit, name_some, read_weight_file

logger = logging.getLogger(__name__)

# Under which keys files keep the dictionary of weights, and what they put before each name.
WRAPPERS = ("state_dict", "model_state_dict", "model", "teacher")
PREFIXES = ("", "module.", "backbone.", "encoder.", "model.", "net.")
PREFIXES += ("backbone.net.", "module.backbone.", "module.encoder.", "encoder_q.")
CLASSIFIERS = ("fc.", "head.", "head_drop.", "classifier.", "fc_norm.")


@dataclass(frozen=True, kw_only=True)
class WeightSource:
    """Where the weights of a backbone lie.

    Attributes:
        url: what is downloaded on first use, into torch hub's cache.
        hub_id: repository on the Hugging Face hub; its cache is looked into first.
        package: installed package that carries the file, and the class that knows its path.
        heads: prefixes of keys that belong to the source's own heads and are left out.
    """

    url: str = ""
    hub_id: str = ""
    package: tuple[str, str] | None = None
    heads: tuple[str, ...] = field(default=CLASSIFIERS)

    def find(self) -> Path | None:
        """Return the file if it is on this machine."""
        if self.package is not None:
            return _packaged(*self.package)
        cached = _in_hub_cache(self.hub_id) if self.hub_id else None
        target = self.download_path()
        return cached or (target if target.is_file() else None)

    def download_path(self) -> Path:
        """Return where the downloaded file is kept."""
        name = f"{self.hub_id.replace('/', '--')}.safetensors" if self.hub_id else ""
        file = name or Path(urlsplit(self.url).path).name
        return Path(torch.hub.get_dir()) / "checkpoints" / file

    def download(self) -> Path:
        """Return the file, downloaded if need be.

        Raises:
            OSError: it cannot be had; the message says why.
        """
        found = self.find()
        if found is not None:
            return found
        if self.package is not None:
            raise OSError(f"the package {self.package[0]} is not installed")
        target = self.download_path()
        target.parent.mkdir(parents=True, exist_ok=True)
        url = self.url or _hub_url(self.hub_id)
        logger.info("Downloading %s to %s", url, target)
        try:
            torch.hub.download_url_to_file(url, str(target), progress=False)
        except OSError as error:
            raise OSError(f"{url}: {getattr(error, 'reason', error)}") from error
        return target


def load_weights(
    net: nn.Module,
    path: Path,
    *,
    convert: Callable[[dict[str, Tensor], nn.Module], dict[str, Tensor]],
    heads: Sequence[str],
) -> None:
    """Load the file at ``path`` into ``net``; every parameter must come from it.

    Args:
        net: the network.
        path: weights of this network, perhaps inside a training checkpoint or another model.
        convert: turns the source's names into those of ``net``.
        heads: prefixes of keys that are left out.

    Raises:
        ModelError: a parameter is missing or has another shape, or a key is neither of the
            network nor of a head.
    """
    content = read_weight_file(path)
    state = next((content[key] for key in WRAPPERS if isinstance(content.get(key), dict)), content)
    tensors = {key: value for key, value in state.items() if isinstance(value, Tensor)}
    wanted = net.state_dict()
    given, ignored = _strip(tensors, wanted, lambda state: convert(state, net))
    for key in wanted.keys() - given.keys():
        if key.endswith(".num_batches_tracked"):  # files older than torch 0.4.1 lack this counter
            given[key] = torch.zeros_like(wanted[key])
    ignored += [key for key in given.keys() - wanted.keys() if key.startswith(tuple(heads))]
    strange = sorted(key for key in ignored if not key.startswith(tuple(heads)))
    if strange:
        raise ModelError(
            f"{path} has weights of an unknown part: {name_some(strange)}. Expected were those "
            f"of the backbone and of heads named {', '.join(heads)}; is it the right file?"
        )
    given = {key: value for key, value in given.items() if key not in ignored}
    check_fit(given, wanted, source=str(path), net="the backbone")
    net.load_state_dict(given, strict=True)
    logger.debug("%s: %d weights loaded, %d of heads left out", path, len(given), len(ignored))


def _strip(
    tensors: dict[str, Tensor],
    wanted: Mapping[str, Tensor],
    convert: Callable[[dict[str, Tensor]], dict[str, Tensor]],
) -> tuple[dict[str, Tensor], list[str]]:
    """Return the weights under the prefix that fits ``wanted`` best, and the keys outside it."""
    best: tuple[int, dict[str, Tensor], list[str]] = (-1, {}, [])
    for prefix in PREFIXES:
        inside = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if not inside:
            continue
        given = convert(inside)
        hits = len(given.keys() & wanted.keys())
        if hits > best[0]:
            best = (hits, given, [key for key in tensors if not key.startswith(prefix)])
    return best[1], best[2]


def _packaged(module: str, class_name: str) -> Path | None:
    try:
        holder = getattr(importlib.import_module(module), class_name)
    except ImportError:
        return None
    return Path(holder.get_model_file_path())


def _in_hub_cache(hub_id: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub_id, "model.safetensors")
    return Path(found) if isinstance(found, str) else None


def _hub_url(hub_id: str) -> str:
    """Return the plain address: the hub's own client retries for 45 s when there is no network."""
    from huggingface_hub import hf_hub_url

    return hf_hub_url(hub_id, "model.safetensors")

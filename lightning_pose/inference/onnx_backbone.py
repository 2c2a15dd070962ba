"""Running a backbone in ONNX Runtime, which is faster on a CPU that computes in 32 bits."""

from __future__ import annotations

import importlib
import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import torch
from jaxtyping import Float, config
from torch import Tensor, nn

_INPUT, _OUTPUT = "images", "maps"
_ERROR = 3  # ONNX Runtime's number of it
_logger = logging.getLogger(__name__)


class OnnxBackbone(nn.Module):
    """A backbone in evaluation mode as a graph that ONNX Runtime optimises and runs on the CPU.

    It may be called from several threads. Each call uses as many cores as torch would in its
    place: one in the threads that share batches out, all of them for a single frame.

    Args:
        backbone: in evaluation mode, on the CPU, in 32 bits; weights are copied.
        example: images of the size it is to run on; their number may vary.

    Raises:
        ImportError: a package is missing.
        Exception: of many kinds, where the network holds what ONNX has no word for.
    """

    def __init__(self, backbone: nn.Module, example: Float[Tensor, "n 3 height width"]) -> None:
        super().__init__()
        self._runtime: Any = importlib.import_module("onnxruntime")
        self._graph = _exported(backbone, example)
        self._sessions: dict[int, Any] = {}
        self._making = threading.Lock()
        self._session(torch.get_num_threads())  # so that what is wrong shows at once

    def forward(
        self, images: Float[Tensor, "n 3 height width"]
    ) -> Float[Tensor, "n channels h w"]:
        """Return the feature maps of images on the CPU."""
        session = self._session(torch.get_num_threads())
        (maps,) = session.run([_OUTPUT], {_INPUT: images.contiguous().numpy()})
        return torch.from_numpy(maps)

    def _session(self, threads: int) -> Any:
        with self._making:
            if threads not in self._sessions:
                options = self._runtime.SessionOptions()
                options.intra_op_num_threads = threads
                options.inter_op_num_threads = 1
                options.log_severity_level = _ERROR
                self._sessions[threads] = self._runtime.InferenceSession(
                    self._graph, options, providers=["CPUExecutionProvider"]
                )
            return self._sessions[threads]


def in_onnx_runtime(backbone: nn.Module, example: Float[Tensor, "n 3 height width"]) -> nn.Module:
    """Return the backbone in ONNX Runtime; as it is where that cannot be.

    Args:
        backbone: see :class:`OnnxBackbone`.
        example: likewise.
    """
    try:
        return OnnxBackbone(backbone, example)
    except ImportError as error:
        _logger.info("%s; torch runs the network.", error)
    except Exception as error:  # the exporter knows no kind of its own for what it cannot express
        first = str(error).strip().partition("\n")[0]
        _logger.info("ONNX cannot express this backbone (%s); torch runs it.", first)
    return backbone


def _exported(backbone: nn.Module, example: Float[Tensor, "n 3 height width"]) -> bytes:
    graph = io.BytesIO()
    images = example.detach().clone(memory_format=torch.contiguous_format)
    with torch.no_grad(), _shapes_unchecked(), _no_graph_on_stdout(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an older exporter: the newer takes twice as long
        torch.onnx.export(
            backbone,
            (images,),
            cast(Any, graph),  # a file, which torch does not say it takes
            input_names=[_INPUT],
            output_names=[_OUTPUT],
            dynamic_axes={_INPUT: {0: "n"}, _OUTPUT: {0: "n"}},
            dynamo=False,
        )
    return graph.getvalue()


@contextmanager
def _shapes_unchecked() -> Iterator[None]:
    """Check no shapes inside the context: while a network is recorded they are no numbers."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", before)


@contextmanager
def _no_graph_on_stdout() -> Iterator[None]:
    """Print nothing inside the context: torch prints the whole graph of what it cannot express."""
    try:
        kept = os.dup(1)
    except OSError:  # there is no standard output
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        with suppress(AttributeError, ValueError, OSError):  # replaced or closed by the program
            sys.stdout.flush()
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)

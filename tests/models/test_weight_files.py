"""Reading weight files: what is refused, and in which words."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lightning_pose.contracts.errors import ModelError
from lightning_pose.models.weight_files import check_fit, read_weight_file, save_tensors


def test_torch_and_safetensors_files_are_read(tmp_path: Path) -> None:
    weights = {"a": torch.arange(3.0)}
    torch.save(weights, tmp_path / "a.pth")
    save_file(weights, tmp_path / "a.safetensors")
    for path in tmp_path.iterdir():
        assert torch.equal(read_weight_file(path)["a"], weights["a"])


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"best\.ckpt is missing"):
        read_weight_file(tmp_path / "best.ckpt")
    with pytest.raises(ModelError, match="is a folder"):
        read_weight_file(tmp_path)


@pytest.mark.parametrize("name", ["half.ckpt", "half.safetensors"])
def test_a_file_cut_short_is_refused_with_advice(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".ckpt":
        torch.save({"a": torch.zeros(1000)}, path)
    else:
        save_file({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelError, match=r"cannot be read.*cut short.*again"):
        read_weight_file(path)


@pytest.mark.parametrize(
    "content", [b"", b"not weights at all", b"a\n", b"\x80\x02.", b"root:x:0:0"]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.ckpt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"a\.ckpt"):
        read_weight_file(path)


class Intruder:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("intruded"),))


@pytest.mark.parametrize("pickled_by", ["torch", "pickle"])
def test_a_file_that_carries_code_is_not_opened(tmp_path: Path, pickled_by: str) -> None:
    path = tmp_path / "a.ckpt"
    if pickled_by == "torch":
        torch.save({"a": Intruder()}, path)
    else:
        path.write_bytes(pickle.dumps({"a": Intruder()}, protocol=2))
    with pytest.raises(ModelError, match="not opened for safety"):
        read_weight_file(path)
    assert not Path("intruded").exists()


def test_a_bare_tensor_is_refused(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "a.pt")
    with pytest.raises(ModelError, match="holds a Tensor; a dictionary of weights was expected"):
        read_weight_file(tmp_path / "a.pt")


def test_a_misfit_names_the_first_keys_of_each_kind() -> None:
    wanted = {key: torch.zeros(2) for key in ("a", "b", "c", "d", "e", "f")}
    given = {"f": torch.zeros(3), "z": torch.zeros(2)}
    with pytest.raises(ModelError) as caught:
        check_fit(given, wanted, source="best.ckpt", net="the net")
    assert str(caught.value) == (
        "best.ckpt does not fit the net: it lacks a, b, c and 2 more; it has unknown z; "
        "f differ in shape (file (3,), network (2,))."
    )


def test_a_fit_is_silent() -> None:
    check_fit({"a": torch.zeros(2)}, {"a": torch.ones(2)}, source="a", net="b")


def test_weights_that_the_disk_spoilt_are_refused(tmp_path: Path) -> None:
    path = save_tensors(tmp_path / "net.ckpt", {"weight": torch.zeros(1000)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="in it is not what was written"):
        read_weight_file(path)

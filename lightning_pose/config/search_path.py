"""How Hydra finds our configuration: a search path for ``conf/``, stored nodes for the rest."""

from __future__ import annotations

from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from lightning_pose.config.assets import conf_dir, sweeps_dir
from lightning_pose.config.defaults import unset_tree
from lightning_pose.config.keys import is_open, known_keys
from lightning_pose.config.yaml_file import read_yaml

DEFAULTS_NODE = "litpose_defaults"
PROVIDER = "litpose"


class LitposeSearchPath(SearchPathPlugin):
    """Appends ``conf/`` to Hydra's search path and stores what does not lie there.

    ``conf/config.yaml`` starts from the stored defaults of the schema. The files of ``sweeps/``
    are stored one by one, because a search path to them would make every folder beside them a
    configuration group.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Tell Hydra about conf/, sweeps/ and the schema's defaults."""
        search_path.append(provider=PROVIDER, path=f"file://{conf_dir()}")
        store_node(DEFAULTS_NODE, _open_where_it_may_grow(unset_tree()))
        for path in sorted(sweeps_dir().glob("*.yaml")):
            store_node(path.stem, read_yaml(path).tree, group="sweeps")


def store_node(name: str, tree: dict[str, Any] | DictConfig, *, group: str | None = None) -> None:
    """File plain values in Hydra's store as a choice that is laid over the whole configuration."""
    ConfigStore.instance().store(
        name=name, node=tree, group=group, package="_global_", provider=PROVIDER
    )


def _open_where_it_may_grow(tree: dict[str, Any]) -> DictConfig:
    """Return the tree for Hydra, which else refuses overrides of keys that are not there yet."""
    config = OmegaConf.create(tree)
    for key, annotation in known_keys().items():
        section = OmegaConf.select(config, key)
        if is_open(annotation) and isinstance(section, DictConfig):
            OmegaConf.set_struct(section, False)
    return config

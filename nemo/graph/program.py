"""What was found by following a network, kept beside its weights, so that nobody follows it again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from safetensors.torch import load, save

from nemo.graph.capture import Captured
from nemo.graph.cut import Cutter
from nemo.graph.document import build_graph, graph_document
from nemo.graph.hooks import HookedSite
from nemo.graph.sites import SiteInfo
from nemo.modular import ModularNetwork


@dataclass(frozen=True)
class Program:
    """A network's sites, and its computation with constant masks; without any weights.

    Attributes:
        sites: In the order of the masks.
        captured: What modules are cut out of.
    """

    sites: tuple[SiteInfo, ...]
    captured: Captured

    @classmethod
    def of(cls, modular: ModularNetwork) -> Program:
        """That of a modular network of another kind than ours.

        Raises:
            UserError: It can't be followed.
        """
        assert modular.example is not None
        sites = [unit for unit in modular.units if isinstance(unit, HookedSite)]
        followed = modular.followed.get(False)
        cutter = Cutter(modular.network, sites, modular.example, combined=False, captured=followed)
        return cls(tuple(site.info for site in sites), cutter.captured)

    def to_bytes(self) -> bytes:
        """A safetensors file: the tensors that tracing made, and the rest as JSON.

        Raises:
            UserError: The graph holds what can't be written down.
        """
        captured = self.captured
        described = {
            "sites": [asdict(site) for site in self.sites],
            "graph": graph_document(captured.graph),
            "names": captured.names,
            "inputs": captured.inputs,
            "arguments": captured.arguments,
            "shapes": captured.shapes,
            "trainable": sorted(captured.trainable),
            "shared": sorted(captured.shared),
            "fixed": sorted(node.name for node in captured.fixed),
        }
        tensors = {name: value.detach().cpu().clone().contiguous() for name, value in captured.made.items()}
        return save(tensors, {"program": json.dumps(described, sort_keys=True)})

    @classmethod
    def read(cls, content: bytes) -> Program:
        """What `to_bytes` wrote."""
        header = int.from_bytes(content[:8], "little")  # of safetensors, whose own reader of bytes leaves this out
        described = json.loads(json.loads(content[8 : 8 + header])["__metadata__"]["program"])
        graph = build_graph(described["graph"])
        fixed = set(described["fixed"])
        captured = Captured(
            graph,
            described["names"],
            inputs=tuple(described["inputs"]),
            arguments=tuple(described["arguments"]),
            shapes={name: tuple(shape) for name, shape in described["shapes"].items()},
            made=load(content),
            trainable=frozenset(described["trainable"]),
            shared=frozenset(described["shared"]),
            fixed=frozenset(node for node in graph.nodes if node.name in fixed),
        )
        return cls(tuple(SiteInfo(**site) for site in described["sites"]), captured)

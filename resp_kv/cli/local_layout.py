"""Which nodes a cluster on this machine has: from options to places, kept in DIR/cluster.json.

A cluster is founded once. Its data would make no sense to other numbers of nodes, other ports or
other data centres, so the layout is written before the first node starts, and a later start must
ask for the same or for nothing. `--set` is remembered too, but may change: it only concerns how
nodes run.

    cluster.json   {"format": 1, "nodes": [{"port": 7001, "dc": "dc1", "weight": "1"}, ...],
                    "set": ["appendfsync always", ...]}
"""

import itertools
import json
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from conf.loader import ConfigurationError, Setting
from conf.words import UnbalancedQuotes, split_words
from resp_kv.cli.failure import Failure
from resp_kv.config import Config
from resp_kv.directive_kinds import Weight

FORMAT = 1
NODES, PORT, DC = 3, 7001, "dc1"              # of a new cluster, where no option says otherwise
NODES_MAX = 100
BUS_OFFSET = 10_000
OWN = frozenset(                              # each node has its own value of these
    """bind cluster-enabled cluster-port cluster-seeds daemonize dir logfile node-dc node-rack
    node-server node-weight pidfile port unixsocket""".split()
)
_DC = re.compile(r"([A-Za-z0-9_.-]+):([1-9][0-9]{0,3})")


@dataclass(frozen=True, slots=True)
class Wish:
    """Options as they were given; None (or no settings) where they were not."""

    nodes: int | None = None
    port: int | None = None
    dc: str | None = None
    weight: str | None = None
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where one node runs. Its bus port follows from its port."""

    port: int
    dc: str
    weight: str

    @property
    def bus_port(self):
        return self.port + BUS_OFFSET


@dataclass(frozen=True, slots=True)
class Layout:
    places: tuple[Place, ...]
    settings: tuple[str, ...]

    def directives(self):
        """--set as arguments of `resp-kv serve`."""
        for line in self.settings:
            name, *words = split_words(line)
            yield from (f"--{name.lower()}", *words)

    def __str__(self):
        """The options that ask for these places."""
        dcs = [place.dc for place in self.places]
        counts = ",".join(f"{dc}:{len(list(group))}" for dc, group in itertools.groupby(dcs))
        text = f"--nodes {len(dcs)} --port {self.places[0].port} --dc {counts}"
        weights = [place.weight for place in self.places]
        return text if set(weights) == {"1"} else f"{text} --weight {','.join(weights)}"


def settle(folder: Path, wish: Wish) -> Layout:
    """The layout to start; Failure when the wish makes no sense, or not with what is there."""
    remembered = read(folder)
    layout = _new(wish) if remembered is None else _again(folder, remembered, wish)
    _check_settings(layout.settings)
    return layout


def read(folder: Path) -> Layout | None:
    path = folder / "cluster.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise Failure(f"{path} has format {stored['format']}, this resp-kv reads {FORMAT}")
        places = tuple(Place(int(node["port"]), str(node["dc"]), str(node["weight"]))
                       for node in stored["nodes"])
        if not places:
            raise ValueError("no nodes")
        return Layout(places, tuple(map(str, stored["set"])))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{path} is damaged ({error}); remove it and give --nodes, --port, --dc and "
                      "--weight as they were") from None


def write(folder: Path, layout: Layout) -> None:
    nodes = [asdict(place) for place in layout.places]
    text = json.dumps({"format": FORMAT, "nodes": nodes, "set": layout.settings}, indent=2)
    beside = folder / "cluster.json.new"
    beside.write_text(text + "\n", encoding="utf-8")
    os.replace(beside, folder / "cluster.json")


def _new(wish):
    dcs = _data_centres(wish) if wish.dc else [DC] * _counted(wish.nodes or NODES)
    weights = _weights(wish, len(dcs)) if wish.weight else ["1"] * len(dcs)
    port = PORT if wish.port is None else wish.port
    port_max = 65_535 - BUS_OFFSET - len(dcs) + 1
    if not 1 <= port <= port_max:
        raise Failure(f"--port {port} does not do for {len(dcs)} nodes: it must be 1 to {port_max}, "
                      f"since the bus ports are {BUS_OFFSET} higher")
    places = (Place(port + i, dc, weight) for i, (dc, weight) in enumerate(zip(dcs, weights)))
    return Layout(tuple(places), wish.settings)


def _again(folder, remembered, wish):
    places = remembered.places
    fits = (
        wish.nodes in (None, len(places))
        and wish.port in (None, places[0].port)
        and (not wish.dc or _data_centres(wish) == [place.dc for place in places])
        and (not wish.weight or _weights(wish, len(places)) == [place.weight for place in places])
    )
    if not fits:
        raise Failure(
            f"{folder} already holds a cluster made with {remembered}, and it cannot become another "
            f"one: leave these options out to start it as it is, take another --dir and --port for "
            f"a new one, or remove {folder} with its data"
        )
    return replace(remembered, settings=wish.settings or remembered.settings)


def _data_centres(wish):
    """The data centre of each node: "a:3,b:2" is a, a, a, b, b."""
    dcs = []
    for part in wish.dc.split(","):
        match = _DC.fullmatch(part.strip())
        if match is None:
            raise Failure(f"--dc {wish.dc}: '{part.strip()}' is no NAME:NUMBER; "
                          "write the number of nodes of each data centre, such as --dc a:3,b:2")
        if match[1] in dcs:
            raise Failure(f"--dc {wish.dc}: {match[1]} is there twice")
        dcs += [match[1]] * _counted(int(match[2]))
    if wish.nodes not in (None, len(dcs)):
        raise Failure(f"--dc {wish.dc} makes {len(dcs)} nodes, but --nodes is {wish.nodes}: "
                      "leave --nodes out, or make them agree")
    _counted(len(dcs))
    return dcs


def _counted(nodes):
    if not 1 <= nodes <= NODES_MAX:
        raise Failure(f"{nodes} nodes on one machine: it must be 1 to {NODES_MAX}")
    return nodes


def _weights(wish, nodes):
    """One canonical text of a weight for each node."""
    words = wish.weight.split(",")
    if len(words) != nodes:
        raise Failure(f"--weight {wish.weight} is {len(words)} weights for {nodes} nodes: "
                      "give one for each, such as --weight 1,1,2")
    kind = Weight()
    try:
        return [kind.show(kind.parse_word(word.strip())) for word in words]
    except ValueError as error:
        raise Failure(f"--weight {wish.weight}: {error}") from None


def _check_settings(lines):
    """Failure for a --set that no node could start with, before any of them has started."""
    settings = []
    for line in lines:
        try:
            words = split_words(line)
        except UnbalancedQuotes as error:
            raise Failure(f"--set '{line}': {error}") from None
        if len(words) < 2:
            raise Failure(f"--set '{line}' is no directive with its value, "
                          "such as --set 'appendfsync always'")
        name = words[0].lower()
        if name in OWN:
            raise Failure(f"--set '{line}': resp-kv local gives each node its own {name}")
        settings.append(Setting(name, tuple(words[1:]), f"--set '{line}'"))
    try:
        Config(settings)
    except ConfigurationError as error:
        raise Failure(error) from None

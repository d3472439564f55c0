"""From options to places, and what is remembered of them."""

import pytest

from resp_kv.cli.failure import Failure
from resp_kv.cli.local_layout import Layout, Place, Wish, read, settle, write


def refusal(folder, **wish):
    with pytest.raises(Failure) as caught:
        settle(folder, Wish(**wish))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def kept(folder, **wish):
    layout = settle(folder, Wish(**wish))
    write(folder, layout)
    return layout


def test_three_nodes_if_nothing_is_said(tmp_path):
    layout = settle(tmp_path / "not there yet", Wish())
    assert layout.places == tuple(Place(port, "dc1", "1") for port in (7001, 7002, 7003))
    assert [place.bus_port for place in layout.places] == [17001, 17002, 17003]
    assert str(layout) == "--nodes 3 --port 7001 --dc dc1:3"


def test_data_centres_count_the_nodes(tmp_path):
    for wish in (Wish(dc="a:3, b:2"), Wish(nodes=5, dc="a:3,b:2")):
        layout = settle(tmp_path, wish)
        assert [place.dc for place in layout.places] == list("aaabb")
        assert str(layout) == "--nodes 5 --port 7001 --dc a:3,b:2"


def test_weights(tmp_path):
    layout = settle(tmp_path, Wish(weight="1,0.50,2"))
    assert [place.weight for place in layout.places] == ["1", "0.5", "2"]
    assert str(layout) == "--nodes 3 --port 7001 --dc dc1:3 --weight 1,0.5,2"


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (dict(dc="a"), "--dc a: 'a' is no NAME:NUMBER; write the number of nodes of each data "
                       "centre, such as --dc a:3,b:2"),
        (dict(dc="a:0"), "'a:0' is no NAME:NUMBER"),
        (dict(dc="a:1,"), "'' is no NAME:NUMBER"),
        (dict(dc="a b:1"), "'a b:1' is no NAME:NUMBER"),
        (dict(dc="a:1,a:2"), "a is there twice"),
        (dict(nodes=3, dc="a:3,b:2"), "--dc a:3,b:2 makes 5 nodes, but --nodes is 3: leave --nodes "
                                      "out, or make them agree"),
        (dict(dc="a:60,b:60"), "120 nodes on one machine: it must be 1 to 100"),
        (dict(nodes=101), "101 nodes on one machine: it must be 1 to 100"),
        (dict(nodes=-1), "-1 nodes on one machine"),
        (dict(weight="1,2"), "--weight 1,2 is 2 weights for 3 nodes: give one for each"),
        (dict(weight="1,2,x"), "--weight 1,2,x: argument must be a decimal number"),
        (dict(weight="1,2,0"), "--weight 1,2,0: argument must be greater than 0"),
        (dict(port=0), "--port 0 does not do for 3 nodes: it must be 1 to 55533"),
        (dict(port=55534), "since the bus ports are 10000 higher"),
        (dict(settings=("hz",)), "--set 'hz' is no directive with its value"),
        (dict(settings=("hz fast",)), "argument couldn't be parsed into an integer"),
        (dict(settings=("hx 1",)), "--set 'hx 1': unknown directive 'hx', did you mean 'hz'?"),
        (dict(settings=("requirepass 'x",)), "--set 'requirepass 'x': unbalanced quotes"),
        (dict(settings=("PORT 1",)), "--set 'PORT 1': resp-kv local gives each node its own port"),
        (dict(settings=("write-consistency 4",)), "can never be met with replication-factor 3"),
    ],
)
def test_refused(tmp_path, wish, told):
    assert told in refusal(tmp_path, **wish)


def test_what_may_be_asked_again(tmp_path):
    first = kept(tmp_path, port=7101, dc="a:2,b:1", weight="1,1,2", settings=("hz 20",))
    assert read(tmp_path) == first
    for wish in (Wish(), Wish(nodes=3), Wish(port=7101), Wish(dc="a:2,b:1"), Wish(weight="1,1,2.0")):
        assert settle(tmp_path, wish) == first
    assert settle(tmp_path, Wish(settings=("hz 30",))) == Layout(first.places, ("hz 30",))


@pytest.mark.parametrize(
    "wish", [dict(nodes=5), dict(port=7001), dict(dc="a:1,b:2"), dict(weight="1,2,1")])
def test_a_founded_cluster_stays_as_it_is(tmp_path, wish):
    kept(tmp_path, port=7101, dc="a:2,b:1")
    assert refusal(tmp_path, **wish) == (
        f"{tmp_path} already holds a cluster made with --nodes 3 --port 7101 --dc a:2,b:1, and it "
        "cannot become another one: leave these options out to start it as it is, take another "
        f"--dir and --port for a new one, or remove {tmp_path} with its data"
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "nodes": [], "set": []}',
                                  '{"format": 1, "nodes": [{"port": "x"}], "set": []}'])
def test_damaged_file(tmp_path, text):
    (tmp_path / "cluster.json").write_text(text)
    assert "cluster.json is damaged" in refusal(tmp_path)


def test_file_of_a_newer_version(tmp_path):
    (tmp_path / "cluster.json").write_text('{"format": 2}')
    assert "cluster.json has format 2, this resp-kv reads 1" in refusal(tmp_path)


def test_settings_become_arguments(tmp_path):
    layout = settle(tmp_path, Wish(settings=('requirepass "a b"', "Save 60 1")))
    assert list(layout.directives()) == ["--requirepass", "a b", "--save", "60", "1"]

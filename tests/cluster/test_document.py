import json
from random import Random

import pytest

from cluster.document import DocumentError, Member, cluster_id_of, found, from_json
from tests.cluster.gossip_rig import member_of, place_in_turn

MEMBERS = [member_of(number) for number in range(5)]


def changed(**fields):
    stored = json.loads(found(MEMBERS, 8, 3, place_in_turn).json)
    return json.dumps({**stored, **fields}).encode()


def with_member(**fields):
    members = json.loads(found(MEMBERS, 8, 3, place_in_turn).json)["members"]
    members[0].update(fields)
    return changed(members=members)


def test_every_founder_computes_the_same_bytes():
    shuffled = MEMBERS[:]
    Random(1).shuffle(shuffled)
    one, other = found(MEMBERS, 8, 3, place_in_turn), found(shuffled, 8, 3, place_in_turn)
    assert one == other
    assert one.json == other.json
    assert one.digest == other.digest


def test_a_weight_may_be_written_as_an_integer():
    whole = [member._replace(weight=1) for member in MEMBERS]
    assert found(whole, 8, 3, place_in_turn).json == found(MEMBERS, 8, 3, place_in_turn).json


def test_members_are_sorted_and_name_the_cluster():
    document = found(MEMBERS[::-1], 8, 3, place_in_turn)
    assert [member.node_id for member in document.members] == sorted(member.node_id for member in MEMBERS)
    assert document.epoch == 1
    assert document.cluster_id == cluster_id_of(MEMBERS) != cluster_id_of(MEMBERS[:4])
    assert len(document.cluster_id) == 40
    assert document.placement[6] == (1, 2, 3)
    assert document.indices[document.members[3].node_id] == 3


def test_a_member_is_found_by_ip_or_host_name():
    document = found([member_of(0, hostname="one.example"), member_of(1)], 8, 2, place_in_turn)
    assert document.at(("one.example", 17000)) == document.at(("10.0.0.0", 17000)) == 0
    assert document.at(("10.0.0.1", 17000)) == 1
    assert document.at(("10.0.0.1", 17001)) is None
    assert document.at(("", 17000)) is None


@pytest.mark.parametrize("replication", [3, {"a": 2, "b": 1}])
def test_round_trip(replication):
    document = found(MEMBERS, 8, replication, place_in_turn, distinct_servers=False)
    again = from_json(document.json)
    assert again == document
    assert again.json == document.json
    assert isinstance(again.members[0], Member)


def test_an_unknown_format_says_what_to_do():
    with pytest.raises(DocumentError, match="format 2, this version of resp-kv reads format 1"):
        from_json(changed(format=2))


@pytest.mark.parametrize(("text", "complaint"), [
    (b"{", "is not JSON"),
    (b"\xff", "is not JSON"),
    (b"[" * 100_000, "is not JSON"),
    (b"[]", "no format"),
    (b'{"format":1}', "epoch"),
    (changed(epoch=0), "epoch"),
    (changed(epoch=True), "epoch"),
    (changed(cluster_id="x" * 40), "cluster_id"),
    (changed(partitions=0), "partitions"),
    (changed(partitions=16385), "partitions"),
    (changed(replication=0), "replication"),
    (changed(replication={}), "replication"),
    (changed(replication={"a": "b"}), "replication"),
    (changed(distinct_servers=1), "distinct_servers"),
    (changed(members=[]), "1 to 1000 members"),
    (changed(members=5), "damaged"),
    (changed(members=[{"nonsense": 1}]), "damaged"),
    (changed(placement=[[0]]), "1 placements of 8"),
    (changed(placement=[[9]] * 8), "placement of partition 0"),
    (changed(placement=[[1, 1]] * 8), "placement of partition 0"),
    (changed(placement=[[]] * 8), "placement of partition 0"),
    (with_member(node_id="f" * 40), "sorted"),
    (with_member(node_id="F" * 40), "40 hexadecimal digits"),
    (with_member(ip=""), "no address"),
    (with_member(ip="10.0.0.1"), "the same address 10.0.0.1:17000"),
    (with_member(port=0), "port"),
    (with_member(bus_port=65536), "bus_port"),
    (with_member(weight=0), "weight"),
    (with_member(weight=float("nan")), "weight"),
    (with_member(rack="r" * 256), "rack"),
    (with_member(dc="a\nb"), "dc"),
    (b" " * ((1 << 22) + 1), "the limit is 4194304"),
])
def test_what_is_no_document(text, complaint):
    with pytest.raises(DocumentError, match=complaint):
        from_json(text)


def test_founders_that_make_no_cluster():
    with pytest.raises(DocumentError, match="none twice"):
        found([MEMBERS[0], MEMBERS[0]], 8, 3, place_in_turn)
    with pytest.raises(DocumentError, match="same address"):
        found([MEMBERS[0], member_of(9, ip=MEMBERS[0].ip)], 8, 3, place_in_turn)


def test_the_claim_places_the_members_of_a_document():
    document = found(MEMBERS, 64, 3)
    assert from_json(document.json) == document
    assert document.placed.replicas == document.placement
    assert all(len(replicas) == 3 for replicas in document.placement)
    assert len(document.placed.fallbacks(5)) == 2


def test_a_node_that_names_no_server_is_alone_at_its_address():
    assert member_of(3, server="").holder.server == "10.0.0.3"


def test_what_cannot_be_placed_is_an_error_of_the_founders():
    with pytest.raises(DocumentError, match="the founders cannot make a cluster: replication"):
        found(MEMBERS, 64, 0)

import pytest

from cluster.detector import DOWN, UNREACHABLE, UP
from cluster.document import DocumentError, found
from cluster.founding import FOUNDERS_MAX, Founding, Settings
from cluster.gossip_format import BadGossip, decode_refusal, encode_refusal, kind_of
from cluster.membership import GENERATION_LEAP, Options
from tests.cluster.gossip_rig import Network, cluster, downs, member_of, place_in_turn

MEMBERS = [member_of(number) for number in range(5)]
SEEDS = [(member.ip, member.bus_port) for member in MEMBERS]


def founding(count=3, **options):
    network = Network(**options)
    nodes = [network.add(member, SEEDS[:count]) for member in MEMBERS[:count]]
    return network, nodes


# Founding

@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_founders_compute_one_document(count):
    network, nodes = founding(count, loss=0.2)
    network.run(20_000)
    assert {node.document.json for node in nodes} == {nodes[0].document.json}
    assert len(nodes[0].document.members) == count
    assert all(len(node.events.documents) == 1 for node in nodes)
    assert nodes[0].status() == ""


def test_nobody_founds_before_all_have_met():
    network, nodes = founding(3)
    network.kill(nodes[2])
    network.run(60_000)
    assert [node.document for node in nodes[:2]] == [None, None]
    assert nodes[0].status() == "waiting for 10.0.0.2:17000"
    network.add(MEMBERS[2], SEEDS[:3])
    network.run(5000)
    assert len(downs(network.nodes.values())) == 0
    assert all(node.document for node in network.nodes.values())


def test_the_own_address_may_be_missing_among_the_seeds():
    network = Network()
    nodes = [network.add(member, [seed for seed in SEEDS[:3] if not member.is_at(seed)])
             for member in MEMBERS[:3]]
    network.run(10_000)
    assert len({node.document.cluster_id for node in nodes}) == 1


def test_a_node_that_names_more_founders_is_told_so_and_founds_nothing():
    network, nodes = founding(3)
    fourth = network.add(MEMBERS[3], SEEDS[:4])
    network.run(1)
    assert fourth.document is None
    network.run(20_000)
    assert all(len(node.document.members) == 3 for node in nodes)
    assert fourth.document is None
    assert "no member of cluster" in fourth.status()
    assert fourth.events.refusals


def test_founders_of_different_mind_say_so():
    network = Network()
    one = network.add(MEMBERS[0], SEEDS[:2])
    network.add(MEMBERS[1], SEEDS[:2], settings=Settings(partitions=64))
    network.run(10_000)
    assert one.document is None
    assert one.status() == (
        "the node at 10.0.0.1:17000 has other cluster-seeds, cluster-partitions or replication-factor "
        "than this one: they must be the same on every founder")


def test_a_founder_that_missed_the_founding_is_given_the_document():
    network, nodes = founding(3)
    network.run(10_000)
    late = nodes[2]
    network.kill(late)
    again = network.add(late.me, SEEDS[:3], generation=2)
    network.run(3000)
    assert again.document == nodes[0].document
    assert again.events.adopted == []


def test_a_founder_without_its_disk_in_the_midst_of_founding():
    for seed in range(30):
        network, nodes = founding(3, seed=seed, loss=0.1)
        network.run(network.random.uniform(100, 3500))
        network.kill(nodes[1])
        network.add(member_of(9, ip=MEMBERS[1].ip, server="host1"), SEEDS[:3])
        network.run(40_000)
        documents = {node.document.json for node in network.nodes.values() if node.document}
        assert len(documents) == 1
        assert all(node.document for node in network.nodes.values())


def test_founders_that_make_no_cluster_say_so():
    network = Network()
    nodes = [network.add(member, SEEDS[:2], settings=Settings(replication=0)) for member in MEMBERS[:2]]
    network.run(10_000)
    assert [node.document for node in nodes] == [None, None]
    assert "replication" in nodes[0].status()
    assert len(nodes[0].events.refusals) == 1


def test_too_many_seeds():
    with pytest.raises(ValueError, match="201 cluster-seeds; the limit is 200"):
        Founding(MEMBERS[0], 1, [("h", port) for port in range(1, FOUNDERS_MAX + 2)], Settings(),
                 place_in_turn)


def test_a_document_of_others_stops_the_start():
    document = found(MEMBERS[:3], 16, 3, place_in_turn)
    with pytest.raises(DocumentError, match="is no member of cluster"):
        Network().add(MEMBERS[4], document=document)


# Strangers, and members without their disk

def test_a_stranger_is_refused_in_a_sentence():
    network, nodes = cluster(3)
    stranger = network.add(member_of(77), [nodes[0].env.address])
    network.run(3000)
    assert stranger.document is None
    assert stranger.status() == (
        f"node {stranger.me.node_id} is no member of cluster {nodes[0].document.cluster_id} (epoch 1), and "
        "no member had its address")


def test_another_cluster_is_refused_in_a_sentence():
    network, nodes = cluster(3)
    others = found([member_of(number) for number in (0, 1, 7)], 16, 3, place_in_turn)
    other = network.add(member_of(7), document=others)
    network.run(3000)
    assert "you are of another one" in other.events.refusals[0]
    assert all(node.document.cluster_id != others.cluster_id for node in nodes)


def test_a_wiped_node_takes_up_its_old_id_with_a_greater_generation():
    network, nodes = cluster(3)
    lost = nodes[1]
    network.kill(lost)
    blank = network.add(member_of(50, ip=lost.me.ip, server="host1"), [nodes[0].env.address])
    network.run(1500)
    assert "which was alive a moment ago" in blank.status()
    network.run(12_000)
    assert blank.events.adopted == [(lost.me.node_id, 1 + GENERATION_LEAP)]
    assert blank.document == nodes[0].document
    assert blank.index == lost.index
    network.run(5000)
    assert downs(network.nodes.values()) == []
    assert nodes[0].table.rows[lost.index].generation == 1 + GENERATION_LEAP
    assert blank.generation == 1 + GENERATION_LEAP


def test_an_old_copy_of_the_identity_gets_a_greater_generation():
    network, nodes = cluster(3)
    network.kill(nodes[1])
    again = network.add(nodes[1].me, [nodes[0].env.address], generation=1)
    network.run(3000)
    assert again.events.adopted == [(again.me.node_id, 1 + GENERATION_LEAP)]


def test_a_second_process_with_the_same_id_is_noticed_once():
    network, nodes = cluster(3)
    twin = network.add(nodes[0].me._replace(ip="10.0.9.9"), document=nodes[0].document, generation=2)
    network.run(5000)
    assert [line for line in nodes[0].events.refusals if "another process is member" in line] == [
        f"another process is member {twin.me.node_id} too, with generation 2; this one has 1"]


# Rows, states, documents

def test_a_new_address_is_taken_over_by_everybody():
    network, nodes = cluster(5)
    moved = nodes[2].me._replace(ip="10.0.7.7")
    network.kill(nodes[2])
    network.add(moved, document=nodes[2].document, generation=2)
    network.run(6000)
    for node in network.nodes.values():
        assert node.place_of(nodes[2].index) == moved
    assert (nodes[2].index, moved) in nodes[0].events.addresses
    assert downs(network.nodes.values()) == []


def test_an_announcement_reaches_everybody():
    network, nodes = cluster(5)
    nodes[3].announce(nodes[3].me._replace(hostname="four.example", weight=2))
    network.run(4000)
    assert [node.place_of(nodes[3].index).hostname for node in nodes] == ["four.example"] * 5


def test_a_refused_connection_is_routed_around_at_once():
    network, nodes = cluster(3)
    network.kill(nodes[2])
    network.run(1000)
    assert nodes[0].detector.states[nodes[2].index] == UNREACHABLE
    assert nodes[0].alive[nodes[2].index] == 0
    assert nodes[0].alive is nodes[0].detector.alive


def test_a_killed_member_is_shown_down_and_up_again_after_its_start():
    network, nodes = cluster(5)
    victim = nodes[2]
    network.kill(victim)
    network.run(8000)
    for node in network.nodes.values():
        view = node.members_table()[victim.index]
        assert view.state == DOWN
        assert len(view.suspected_by) >= 2
        assert 6000 < view.age_ms < 9500
    network.add(victim.me, document=victim.document, generation=2)
    network.run(4000)
    for node in network.nodes.values():
        views = node.members_table()
        assert [view.state for view in views] == [UP] * 5
        assert views[victim.index].generation == 2
        assert views[victim.index].suspected_by == ()
        assert all(view.age_ms < 4000 for view in views)


def test_a_paused_member_comes_back_and_declares_nobody_down():
    network, nodes = cluster(5)
    network.pause(nodes[2], 30_000)
    network.run(29_000)
    assert all(node.detector.states[nodes[2].index] == DOWN for node in nodes if node is not nodes[2])
    network.run(5000)
    assert downs(nodes) == []
    assert [change for change in nodes[2].events.changes if change[3] == DOWN] == []


def test_a_newer_document_spreads():
    network, nodes = cluster(5)
    document = nodes[0].document
    newer = found(document.members, 16, 2, place_in_turn)
    object.__setattr__(newer, "epoch", 2)
    nodes[3].change_document(newer)
    network.run(4000)
    assert [node.document.epoch for node in nodes] == [2] * 5
    network.run(30_000)
    assert downs(nodes) == []


def test_two_documents_of_one_epoch_come_to_one():
    network, nodes = cluster(3)
    document = nodes[0].document
    other = found([document.members[0]._replace(rack="other"), *document.members[1:]], 16, 3, place_in_turn)
    nodes[1].change_document(other)
    network.run(4000)
    assert len({node.document.digest for node in nodes}) == 1


def test_a_bad_payload_changes_nothing():
    network, nodes = cluster(3)
    one, other = nodes[0], nodes[1]
    before = [(row.heartbeat, row.version) for row in one.table.rows]
    honest = other.table.opening(b"G", other.header(), network.random)
    with pytest.raises(BadGossip):
        one.receive(other.me.node_id, honest[:-1])
    with pytest.raises(BadGossip, match="speaks as member"):
        one.receive(nodes[2].me.node_id, honest)
    with pytest.raises(BadGossip):
        one.receive(other.me.node_id, b"")
    assert [(row.heartbeat, row.version) for row in one.table.rows] == before


def test_a_founder_cannot_speak_for_another():
    network, nodes = founding(3)
    with pytest.raises(BadGossip, match="speaks for"):
        nodes[0].receive(nodes[1].me.node_id, nodes[2].own_word(b"F"))


def test_a_refusal_goes_into_the_log():
    network, nodes = cluster(2)
    assert nodes[0].receive(nodes[1].me.node_id, encode_refusal("go away")) is None
    assert nodes[0].events.refusals == [f"{nodes[1].me.node_id} refuses this node: go away"]
    reply = nodes[0].receive("f" * 40, nodes[1].table.opening(b"G", nodes[1].header(), network.random))
    assert kind_of(reply) == b"N"
    assert "is no member of cluster" in decode_refusal(reply)


def test_a_shorter_period_makes_everything_faster():
    network, nodes = cluster(5, options=Options(period_ms=100), delay_ms=(1, 5))
    network.kill(nodes[1])
    network.run(900)
    assert all(node.detector.states[nodes[1].index] == DOWN for node in network.nodes.values())


def test_a_stopped_node_is_quiet():
    network, nodes = cluster(2)
    nodes[0].stop()
    before = nodes[0].table.rows[nodes[0].index].heartbeat
    network.run(3000)
    assert nodes[0].table.rows[nodes[0].index].heartbeat == before

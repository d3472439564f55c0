import pytest

from cluster.partitions import PARTITIONS_DEFAULT, SLOTS, check_partitions, partition_of, slots_of


def test_the_default():
    assert PARTITIONS_DEFAULT == 256
    assert slots_of(0) == (0, 63)
    assert slots_of(255) == (16320, 16383)
    assert [partition_of(slot) for slot in (0, 63, 64, 16383)] == [0, 0, 1, 255]


@pytest.mark.parametrize("partitions", [1, 2, 64, 256, 16384])
def test_every_slot_is_in_exactly_its_partition(partitions):
    slots = []
    for partition in range(partitions):
        first, last = slots_of(partition, partitions)
        slots += range(first, last + 1)
        assert partition_of(first, partitions) == partition_of(last, partitions) == partition
    assert slots == list(range(SLOTS))


@pytest.mark.parametrize("partitions", [0, -1, 3, 255, 16383, 32768])
def test_only_powers_of_two_up_to_the_number_of_slots(partitions):
    with pytest.raises(ValueError, match=f"power of two, 1 to 16384, not {partitions}"):
        check_partitions(partitions)


def test_permitted_numbers():
    for bits in range(15):
        check_partitions(1 << bits)

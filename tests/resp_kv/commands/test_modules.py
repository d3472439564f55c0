def test_none(rig):
    assert rig.run("MODULE", "LIST") == []


def test_none_can_be_loaded(rig):
    for line in ("MODULE LOAD x.so", "MODULE LOADEX x.so", "MODULE UNLOAD x"):
        assert str(rig.run(*line.split())).endswith("Redis modules cannot run here")

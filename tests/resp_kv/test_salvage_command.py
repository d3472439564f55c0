from typer.testing import CliRunner

from engine import Batch, Engine
from resp_kv.cli.app import app


def test_salvage_prints_what_was_lost(tmp_path):
    with Engine.open(tmp_path / "data") as engine:
        for i in range(50):
            batch = Batch()
            batch.put(b"key%d" % i, b"value")
            engine.write(batch)
    (log,) = (tmp_path / "data").glob("*.log")
    content = bytearray(log.read_bytes())
    content[100] ^= 1
    log.write_bytes(content)
    result = CliRunner().invoke(
        app, ["check", str(tmp_path / "data"), "--salvage", str(tmp_path / "new")]
    )
    assert "49 entries" in result.output
    assert str(log) in result.output and "1 records" in result.output
    assert result.exit_code == 1 and "1 places" in str(result.exception)
    with Engine.open(tmp_path / "new") as engine:
        assert len(list(engine.scan())) == 49


def test_salvage_of_a_whole_directory_loses_nothing(tmp_path):
    with Engine.open(tmp_path / "data") as engine:
        batch = Batch()
        batch.put(b"key", b"value")
        engine.write(batch)
    result = CliRunner().invoke(
        app, ["check", str(tmp_path / "data"), "--salvage", str(tmp_path / "new")]
    )
    assert result.exit_code == 0 and "nothing was lost" in result.output

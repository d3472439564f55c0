"""Files, includes and the command line."""

import pytest

from conf import loader
from conf.loader import ConfigurationError


def pairs(settings):
    return [(setting.name, list(setting.words)) for setting in settings]


def test_file_with_comments_and_case(tmp_path):
    path = tmp_path / "a.conf"
    path.write_text('# text\n\n  PORT 7000\nsave 60 1\r\nsave ""\n')
    settings = loader.read_file(str(path))
    assert pairs(settings) == [("port", ["7000"]), ("save", ["60", "1"]), ("save", [""])]
    assert settings[0].where == f"{path}, line 3"


def test_include_is_read_in_its_place(tmp_path):
    (tmp_path / "b.conf").write_text("port 2\n")
    path = tmp_path / "a.conf"
    path.write_text(f"port 1\ninclude {tmp_path}/b.conf\ninclude {tmp_path}/none*.conf\nport 3\n")
    assert pairs(loader.read_file(str(path))) == [("port", [n]) for n in "123"]


def test_include_of_itself_ends(tmp_path):
    path = tmp_path / "a.conf"
    path.write_text(f"include {path}\n")
    with pytest.raises(ConfigurationError, match="nested includes"):
        loader.read_file(str(path))


def test_unreadable_files(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot read the configuration file"):
        loader.load([str(tmp_path / "none.conf")])
    with pytest.raises(ConfigurationError, match="cannot read the configuration file"):
        loader.load([str(tmp_path)])


def test_unbalanced_quotes_name_the_line(tmp_path):
    path = tmp_path / "a.conf"
    path.write_text('port 1\nrequirepass "x\n')
    with pytest.raises(ConfigurationError, match=r"a\.conf, line 2: unbalanced quotes"):
        loader.read_file(str(path))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], []),
        (["--port", "7000", "--bind", "a", "b"], [("port", ["7000"]), ("bind", ["a", "b"])]),
        (["--PORT", "7000"], [("port", ["7000"])]),
        (["--port 7000"], [("port", ["7000"])]),
        (["--save", ""], [("save", [""])]),
        (["--save", "--port", "1"], [("save", [""]), ("port", ["1"])]),
        (["--save"], [("save", [""])]),
        (["--slowlog-log-slower-than", "-1"], [("slowlog-log-slower-than", ["-1"])]),
        (["--requirepass", "--x", "--port", "1"], [("requirepass", ["--x"]), ("port", ["1"])]),
        (["--daemonize"], [("daemonize", [])]),
    ],
)
def test_command_line(arguments, expected):
    path, settings = loader.load(arguments)
    assert path is None
    assert pairs(settings) == expected


def test_command_line_comes_after_the_file(tmp_path):
    path = tmp_path / "a.conf"
    path.write_text("port 1\n")
    found, settings = loader.load([str(path), "--port", "2"])
    assert found == str(path)
    assert pairs(settings) == [("port", ["1"]), ("port", ["2"])]
    assert settings[1].where == "command line, --port"


def test_nearest_name():
    assert loader.nearest("prot", ["port", "bind", "timeout"]) == "port"
    assert loader.nearest("zzz", ["port", "bind"]) in ("port", "bind")

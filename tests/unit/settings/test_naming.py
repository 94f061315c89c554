"""Where a setting stands, for people: the variable, the vendor and list, and the line."""

import tomllib
from pathlib import Path

import pytest

from consumer.settings.findings import warning
from consumer.settings.load import SettingsError, load
from consumer.settings.naming import clearer, names_in, names_of, place_of, shown

TEXT = """\
# settings
[kafka]
topic = "odd name"

[[vendors]]
id = "vendor_123"
sesamy = { client_id = "c", client_secret = "s" }
[[vendors.makeas]]
userId = "1"
apiKey = "k"
listId = "1466"
[[vendors.makeas]]
userId = "2"
listId = "1467"

[[vendors]]
id = "vendor_456"
makeas = { userId = "3", apiKey = "k", listId = "x" }
[vendors.sesamy]
client_id = "c"
"""
NAMES = [("vendor_123", ["1466", "1467"]), ("a secret, by mistake", ["none"])]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("kafka.topic", "kafka.topic (or KAFKA_TOPIC)"),
        ("makeas.requests_per_second", "makeas.requests_per_second (or MAKEAS_REQUESTS_PER_SECOND)"),
        ("kafka.topci", "kafka.topci"),
        ("kafka", "kafka"),
        ("vendors", "vendors"),
        ("vendors[0]", "vendors[0] (vendor_123)"),
        ("vendors[0].id", "vendors[0] (vendor_123).id"),
        ("vendors[0].makeas", "vendors[0] (vendor_123).makeas"),
        ("vendors[0].makeas[1].apiKey", "vendors[0] (vendor_123).makeas[1] (1467).apiKey"),
        ("vendors[0].makeas[1], who left", "vendors[0] (vendor_123).makeas[1] (1467), who left"),
        ("vendors[0].makeas[7].apiKey", "vendors[0] (vendor_123).makeas[7].apiKey"),
        ("vendors[1].makeas[0]", "vendors[1].makeas[0]"),
        ("vendors[2].id", "vendors[2].id"),
    ],
)
def test_a_path_names_what_it_is_about(path: str, said: str) -> None:
    assert shown(path, NAMES) == said


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("kafka.topic", 3),
        ("kafka.group_id", 2),
        ("vendors[0].sesamy.client_secret", 7),
        ("vendors[0].makeas[0].listId", 11),
        ("vendors[0].makeas[1].listId", 14),
        ("vendors[0].makeas[1].apiKey", 12),
        ("vendors[1].id", 17),
        ("vendors[1].makeas[0].listId", 18),
        ("vendors[1].sesamy.client_id", 20),
        ("workers.concurrency", None),
        ("vendors", None),
    ],
)
def test_the_line_is_that_of_the_key_or_of_the_table_it_is_missing_in(path: str, line: int | None) -> None:
    assert place_of(TEXT, path) == (line, None)


INLINE = """\
[kafka]
bootstrap_servers = ["a:1",  # one = 1
  "b:2"]
note = '''
topic = "no key"
'''
topic = "t"

[[vendors]]
id = "a \\" ]"
makeas = [
  { userId = "1", listId = "11" }, # { userId = "x" }
  { userId = "2", "listId" = "12" }, { userId = "3", tags = [["a"], ["b"]] },
]
[[vendors]]
makeas = [ { userId = "4" }, { userId = "[5", apiKey = "k" } ]
sesamy.client_id = "c"
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("kafka.bootstrap_servers[0]", (2, 22)),
        ("kafka.bootstrap_servers[1]", (3, 3)),
        ("kafka.topic", (7, None)),
        ("vendors[0].makeas", (11, None)),
        ("vendors[0].makeas[0]", (12, 3)),
        ("vendors[0].makeas[0].apiKey", (12, 3)),
        ("vendors[0].makeas[1].listId", (13, 19)),
        ("vendors[0].makeas[2]", (13, 38)),
        ("vendors[0].makeas[2].tags[1]", (13, 69)),
        ("vendors[0].makeas[9]", (11, None)),
        ("vendors[1].makeas[1]", (16, 30)),
        ("vendors[1].makeas[1].apiKey", (16, 47)),
        ("vendors[1].sesamy.client_id", (17, None)),
    ],
)
def test_a_row_of_an_inline_array_has_a_place_of_its_own(path: str, place: tuple[int, int | None]) -> None:
    assert place_of(INLINE, path) == place


@pytest.mark.parametrize("end", ["", "\n", "\r\n# end"])
def test_a_row_is_found_whatever_ends_the_lines(end: str) -> None:
    text = INLINE.replace("\n", "\r\n") + end
    tomllib.loads(text)

    assert place_of(text, "vendors[1].makeas[1]") == (16, 30)


def test_what_is_wrong_with_a_file_says_where(tmp_path: Path) -> None:
    path = tmp_path / "consumer.toml"
    path.write_text(TEXT)
    with pytest.raises(SettingsError) as caught:
        load(path, {"WORKERS_CONCURRENCY": "many"})

    assert [line.partition(": ")[0] for line in str(caught.value).splitlines()[1:]] == [
        "kafka.topic (or KAFKA_TOPIC), line 3",
        "WORKERS_CONCURRENCY (environment)",
        "vendors[0] (vendor_123).makeas[1] (1467).apiKey, line 12",
        "vendors[1] (vendor_456).sesamy.client_secret, line 19",
        "vendors[1] (vendor_456).makeas[0].listId, line 18",
    ]


def test_names_are_the_same_from_the_file_and_from_the_settings(tmp_path: Path) -> None:
    vendor = '[[vendors]]\nid = "v"\nsesamy = { client_id = "c", client_secret = "s" }\n'
    (tmp_path / "s").write_text(f'{vendor}makeas = {{ userId = "1", apiKey = "k", listId = "1466" }}\n')
    tree = {"vendors": [{"id": "v", "makeas": {"listId": "1466"}}]}

    assert names_in(tree) == names_of(load(tmp_path / "s", {})) == [("v", ["1466"])]
    assert names_in({"vendors": "no"}) == []
    assert names_in({"vendors": ["no", {"id": 7, "makeas": 7}]}) == [("", []), ("", [])]


def test_a_finding_keeps_its_path_beside_the_words() -> None:
    (one,) = clearer([warning("kafka.topic", "odd", "none")], [], text=TEXT)

    assert (one.path, one.place) == ("kafka.topic", "kafka.topic (or KAFKA_TOPIC), line 3")


def test_a_finding_of_a_row_says_its_line_and_column() -> None:
    (one,) = clearer([warning("vendors[1].makeas[1]", "odd", "none")], [], text=INLINE)

    assert (one.line, one.column, one.place) == (16, 30, "vendors[1].makeas[1], line 16, column 30")

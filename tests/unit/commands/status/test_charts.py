"""The last hour as charts of one line."""

from consumer.commands.status.charts import chart, charts
from consumer.pod.status.hour.shapes import LastHour, ListHour
from consumer.pod.status.tree import ListStatus

HOUR = LastHour(
    events=(0, None, 1200),
    resyncs=(None, None),
    dirty=(5, None),
    lists=(ListHour(vendor="v", account="1", list="1466", freshness_s=(1.0, 120.0)),),
)
LISTS = (ListStatus(vendor="v", account="1", list="1466", name="Morgenbrev"),)


def test_a_value_is_marked_by_its_part_of_the_greatest_and_the_unknown_by_a_space() -> None:
    assert chart((0, 1, None, 7), is_ascii=False) == "▁▂ █"
    assert chart((0, 1, None, 7), is_ascii=True) == "_. #"
    assert chart((0, 0), is_ascii=False) == "▁▁"
    assert chart((None, None), is_ascii=False) == "  "


def test_each_has_its_last_value_and_the_most_and_what_is_not_known_has_none() -> None:
    assert list(charts(HOUR, LISTS, is_ascii=False)) == [
        ("events read", "1,200", "1,200 a minute", "▁ █"),
        ("dirty users", "?", "5", "█ "),
        ("Morgenbrev (1466) fresh after", "2 min", "2 min", "▁█"),
    ]
    assert list(charts(None, LISTS, is_ascii=False)) == []

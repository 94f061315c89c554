"""The page with the form: what it shows, and that it can do nothing but send itself."""

from consumer.pod.reader.facts import Explanation, HistoryEntry, ListOfReader
from consumer.pod.reader.form import POLICY, Said, asked, form, remembered
from consumer.pod.reader.lookup import Found


def test_what_was_typed_stands_in_the_form_again_and_is_escaped() -> None:
    page = form(["v1", "v2"], vendor="v2", reader='"><script>x</script>', said=Said(title="<b>", lines=["a & b"], history=["<i>"]))

    assert "<option selected>v2</option>" in page
    assert "<option>v1</option>" in page
    assert "<script" not in page
    assert "&lt;b&gt;" in page
    assert "a &amp; b" in page
    assert "<li>&lt;i&gt;</li>" in page


def test_the_page_sends_its_form_by_post_to_itself_and_runs_no_script() -> None:
    assert '<form method="post" action="reader"' in form(["v"])
    assert "form-action 'self'" in POLICY
    assert "script-src" not in POLICY
    assert "default-src 'none'" in POLICY


def test_the_answer_has_its_sentence_a_line_for_each_list_and_what_is_remembered() -> None:
    lists = (
        ListOfReader(account="1001", list="1466", name="Morgenbrev", written_at=0.0, state="well", text="written 00:00 UTC"),
        ListOfReader(account="2001", list="2466", state="owed", text="it is shut", cure="wait"),
    )
    history = (HistoryEntry(at=0.0, what="skipped", code="guest"),)
    one = Explanation(vendor="v", user="u", state="clean", why="", sentence="So it is", lists=lists, history=history)

    assert remembered(one, now=0.0) == Said(
        title="So it is",
        lines=[
            "Morgenbrev (list 1466), account 1001: written 00:00 UTC; last written 00:00 UTC",
            "List 2466, account 2001: it is shut; wait",
        ],
        history=["00:00 UTC  skipped (guest)"],
    )


def test_what_was_asked_says_of_which_user() -> None:
    assert asked(Found(vendor="v", user="u", outcome="well", sentence="All")) == Said(title="All", lines=["User u of v, asked just now"])
    assert asked(Found(vendor="v", outcome="not-found", sentence="None")) == Said(title="None")

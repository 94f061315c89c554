"""What a question is made of."""

import pytest

from consumer.commands.verify.question import Call, Known, Question, Reply, Seen, Unknown, unanswered

KEY = Unknown("U1", "the key", "makeas.subscriber_key")
TAGS = Unknown("U13", "the tags", "makeas.tags")
KNOWN = Known(ways={"makeas.subscriber_key": "email", "makeas.tags": "titles"}, nobody="n")


def test_a_call_is_told_with_all_that_leaves_but_who_we_are() -> None:
    call = Call(side="makeas", op="upsert", method="POST", path="/subscribers", query=(("tag", "merge"),), body={"email": "a@x.no"})
    token = Call(side="token", op="token", method="POST", audience="https://a.example")

    assert call.told == 'POST /subscribers?tag=merge {"email":"a@x.no"}'
    assert token.told == "POST the token's address, audience https://a.example"
    assert Call(side="token", op="token").told == "POST the token's address, no audience"


def test_what_does_not_print_is_escaped() -> None:
    assert Call(side="makeas", op="list", path="/\x1b[2J").told == "GET /\\x1b[2J"


@pytest.mark.parametrize(
    ("reply", "is_taken"),
    [
        (Reply(status=200, tree={"status": "200 Success"}), True),
        (Reply(status=204), True),
        (Reply(status=200, tree={"errors": [{"row": 0}]}), False),
        (Reply(status=200, tree={"success": False}), False),
        (Reply(status=422, tree={"status": "200 Success"}), False),
        (Reply(status=500), False),
    ],
    ids=str,
)
def test_a_write_is_taken_where_the_answer_is_a_success_that_names_no_failed_row(reply: Reply, *, is_taken: bool) -> None:
    assert reply.is_taken is is_taken


def test_a_refusal_says_its_status_and_its_words() -> None:
    assert Reply(status=422, said="Subscriber not given").refusal == "422 (Subscriber not given)"
    assert Reply(status=200, tree={"errors": [1]}).refusal == "200, rows named as failed"


def test_later_questions_go_by_what_was_seen() -> None:
    after = KNOWN.after(Seen(unknown=KEY, text="", value="subscriber_email")).after(Seen(unknown=TAGS, text="", learnt={"a": 1}))

    assert after.forms("makeas.subscriber_key", "email", "subscriber_email") == ["subscriber_email", "email"]
    assert (after.way("makeas.tags"), after.tag_ids) == ("titles", {"a": 1})
    assert KNOWN.way("makeas.subscriber_key") == "email"


def test_a_question_that_broke_off_has_no_answer_to_any_of_its_unknowns() -> None:
    seen = unanswered(Question(unknowns=(KEY, TAGS), ask=lambda _: iter(())), "http-503")  # type: ignore[arg-type,return-value]

    assert [(one.unknown, one.text, one.is_answer, one.value) for one in seen] == [
        (KEY, "no answer: http-503", False, None),
        (TAGS, "no answer: http-503", False, None),
    ]

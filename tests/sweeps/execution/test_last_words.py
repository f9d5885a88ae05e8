from textwrap import dedent

import pytest

from sweeps.execution.last_words import last_words_in

RAISED = """\
Failure # 1 (occurred at 2026-11-22_04-40-02)
\x1b[36mray::TrialTrainable.train()\x1b[39m (pid=9, ip=10.0.0.2, actor_id=01, repr=<TrialTrainable>)
Traceback (most recent call last):
  File "/lib/inner.py", line 3, in first
    raise ValueError("the first one")
ValueError: the first one

The above exception was the direct cause of the following exception:

\x1b[36mray::TrialTrainable.train()\x1b[39m (pid=9, ip=10.0.0.2, actor_id=01, repr=<TrialTrainable>)
  File "/lib/ray/tune/trainable.py", line 330, in train
    result = self.step()
             ^^^^^^^^^^^
  File "/home/me/model.py", line 12, in step
    raise BrokenModel("no such thing: a layer\\n  and what it says of it")
me.model.BrokenModel: no such thing: a layer
  and what it says of it
"""
DIED = """\
Failure # 1 (occurred at 2026-11-22_04-39-50)
The actor died unexpectedly before finishing this task.
\tclass_name: TrialTrainable
\tactor_id: 7a
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit
detail: Worker unexpectedly exits. Some common causes include: (1) the process was killed.
"""


def test_what_was_raised_last_is_said_in_one_line() -> None:
    assert last_words_in(RAISED) == "BrokenModel: no such thing: a layer"


def test_of_a_process_that_died_the_reason_is_said_without_the_guesses() -> None:
    assert last_words_in(DIED) == (
        "the actor died: its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit "
        "detail: Worker unexpectedly exits."
    )


def test_of_several_failures_the_last_one_counts() -> None:
    assert last_words_in(RAISED + DIED) == last_words_in(DIED)
    assert last_words_in(DIED + RAISED) == last_words_in(RAISED)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the actor died"),
        ("Failure # 1 (occurred at now)\n", "the actor died"),
        ("Failure # 1 (occurred at now)\nno one knows\n", "the actor died: no one knows"),
    ],
)
def test_where_little_is_known_little_is_said(text: str, expected: str) -> None:
    assert last_words_in(text) == expected


def test_an_error_without_a_message_is_its_kind() -> None:
    text = dedent("""\
        Failure # 1 (occurred at now)
          File "/a.py", line 1, in step
            raise KeyError
        KeyError
    """)
    assert last_words_in(text) == "KeyError"


def test_a_long_message_is_cut() -> None:
    assert len(last_words_in('  File "/a.py", line 1, in step\nE: ' + "x" * 9_000)) == 500

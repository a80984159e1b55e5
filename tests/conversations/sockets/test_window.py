from conversations.sockets.pages import Frame
from conversations.sockets.window import GRACE_SECONDS, UNSEEN_BYTES, UNSEEN_EXTRAS, Window


def frame(last: int, events: int = 200, size: int = 1000) -> Frame:
    return Frame(last, events, size, "")


def filled(window: Window, count: int, **measures: int) -> Window:
    for n in range(1, count + 1):
        assert window.admits(frame(n * 200, **measures), now=0)
        window.sent(frame(n * 200, **measures))
    return window


def test_a_thousand_unseen_events_fill_it() -> None:
    window = filled(Window(), 5)
    assert not window.is_full
    assert not window.admits(frame(1001, events=1), now=7)
    assert window.is_full


def test_four_megabytes_unseen_fill_it() -> None:
    window = filled(Window(), 4, size=UNSEEN_BYTES // 4)
    assert not window.admits(frame(801, events=1, size=1), now=0)


def test_a_frame_larger_than_the_window_passes_when_nothing_is_unseen() -> None:
    assert Window().admits(frame(1, events=1, size=UNSEEN_BYTES * 2), now=0)


def test_what_was_seen_makes_room() -> None:
    window = filled(Window(), 5)
    assert not window.admits(frame(1200), now=0)
    window.seen(399)
    assert not window.is_full
    assert window.admits(frame(1200), now=0)
    window.sent(frame(1200))
    window.seen(1200)
    filled(window, 5)


def test_a_full_window_closes_after_its_grace_and_an_open_one_never() -> None:
    window = filled(Window(), 5)
    assert window.patience(now=10**6) is None
    window.admits(frame(1200), now=100)
    window.admits(frame(1200), now=120)
    assert window.patience(now=130) == GRACE_SECONDS - 30
    assert window.patience(now=1000) == 0
    window.seen(10**9)
    assert window.patience(now=1000) is None


def test_extras_are_refused_past_their_limit_until_something_is_seen() -> None:
    window = Window()
    assert window.admits_extra(UNSEEN_EXTRAS)
    assert not window.admits_extra(1)
    window.seen(0)
    assert window.admits_extra(1)

"""Products run in one thread inside, and in as many as before outside, whoever enters and leaves in whatever order."""

import threading

import numpy as np
import pytest

from latentstore import threads
from latentstore.encoders.image import ImageEncoder
from latentstore.threads import one_thread

if not threads._libraries():
    pytest.skip("numpy multiplies with another library than OpenBLAS", allow_module_level=True)


def running():
    return {library.num_threads for library in threads._libraries()}


@pytest.fixture(autouse=True)
def three():
    """As on a machine of three cores."""
    before = [(library, library.num_threads) for library in threads._libraries()]
    threads._set([(library, 3) for library, _ in before])
    yield
    assert running() == {3}
    threads._set(before)


def test_inside_there_is_one_thread_and_outside_as_many_as_before():
    assert running() == {3}
    with one_thread:
        assert running() == {1}
        with one_thread:
            assert running() == {1}
        assert running() == {1}
    assert running() == {3}


def test_an_error_inside_sets_them_back_too():
    with pytest.raises(KeyError), one_thread:
        raise KeyError
    assert running() == {3}


@pytest.mark.parametrize("first_leaves_first", [True, False])
def test_the_last_of_two_to_leave_sets_them_back(first_leaves_first):
    entered, leave, left = (threading.Event() for _ in range(3))

    def other():
        with one_thread:
            entered.set()
            leave.wait(10)
        left.set()

    thread = threading.Thread(target=other)
    if first_leaves_first:
        thread.start()
        entered.wait(10)
    with one_thread:
        if not first_leaves_first:
            thread.start()
            entered.wait(10)
        else:
            leave.set()
            left.wait(10)
        assert running() == {1}
    assert running() == ({3} if first_leaves_first else {1})
    leave.set()
    thread.join()
    assert running() == {3}


def test_encoding_pictures_in_many_threads_leaves_them_as_they_were():
    pictures = [np.full((20, 20), shade, np.uint8) for shade in range(0, 250, 10)]
    workers = [threading.Thread(target=ImageEncoder().encode, args=(pictures,)) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert running() == {3}

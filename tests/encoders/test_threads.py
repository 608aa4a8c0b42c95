"""Products run in one thread inside, and in as many as before outside, whoever enters and leaves in whatever order."""

import threading

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from latentstore.encoders.threads import one_thread


def threads():
    return [one.num_threads for one in ThreadpoolController().select(threading_layer="pthreads").lib_controllers]


@pytest.fixture(autouse=True)
def several():
    """As on a machine of three cores."""
    assert np.ones((2, 2)).any()  # numpy's library is loaded
    with ThreadpoolController().limit(limits=3, user_api="blas"):
        yield


def test_inside_there_is_one_thread_and_outside_as_many_as_before():
    before = threads()
    assert before and max(before) > 1
    with one_thread:
        assert set(threads()) == {1}
        with one_thread:
            assert set(threads()) == {1}
        assert set(threads()) == {1}
    assert threads() == before


def test_an_error_inside_sets_them_back_too():
    before = threads()
    with pytest.raises(KeyError), one_thread:
        raise KeyError
    assert threads() == before


def test_the_last_of_many_to_leave_sets_them_back():
    before, first_in, second_in, first_out = threads(), threading.Event(), threading.Event(), threading.Event()

    def first():
        with one_thread:
            first_in.set()
            second_in.wait(10)
        first_out.set()

    thread = threading.Thread(target=first)
    thread.start()
    first_in.wait(10)
    with one_thread:
        second_in.set()
        first_out.wait(10)
        assert set(threads()) == {1}
    thread.join()
    assert threads() == before

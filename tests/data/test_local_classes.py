import numpy as np
import pytest

from lggan_tf.data.classes import ClassTable, builtin_classes
from lggan_tf.data.local_classes import LocalClasses, local_classes
from lggan_tf.errors import UserError

# Id 1 is void.
CLASSES = ClassTable(tuple("abcde"), tuple((i, i, i) for i in range(5)), (1,))


def test_by_default_every_class_has_its_own_and_void_none():
    assert local_classes(CLASSES) == LocalClasses((0, 4, 1, 2, 3), 4, 4)


def test_void_as_a_class():
    assert local_classes(CLASSES, void_is_class=True) == LocalClasses((0, 1, 2, 3, 4), 5, 5)


def test_the_last_serves_all_that_remain_and_is_not_classified():
    assert local_classes(CLASSES, 2) == LocalClasses((0, 2, 1, 1, 1), 2, 1)
    assert local_classes(CLASSES, 2, True) == LocalClasses((0, 1, 1, 1, 1), 2, 1)
    assert local_classes(CLASSES, 1) == LocalClasses((0, 1, 0, 0, 0), 1, 0)


def test_as_many_as_there_are_share_nothing():
    assert local_classes(CLASSES, 4) == local_classes(CLASSES)
    assert local_classes(CLASSES, 5, True) == local_classes(CLASSES, 0, True)


def test_more_than_there_are_is_refused():
    with pytest.raises(UserError, match="--local_classes=5 is more than the 4 classes"):
        local_classes(CLASSES, 5)


def test_the_released_networks():
    ade = local_classes(builtin_classes("ade20k"), 52, void_is_class=True)
    assert (ade.count, ade.classified) == (52, 51)
    np.testing.assert_array_equal(ade.table, np.minimum(np.arange(151), 51))
    city = local_classes(builtin_classes("cityscapes"), void_is_class=True)
    assert city == LocalClasses(tuple(range(35)), 35, 35)

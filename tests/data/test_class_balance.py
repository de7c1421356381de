import numpy as np
import pytest

from lggan_tf.data.class_balance import CAP, balance_classes
from lggan_tf.data.class_counts import by_owner, count_labels
from lggan_tf.data.classes import ClassTable
from lggan_tf.data.sample import Sample
from lggan_tf.errors import UserError

# Two samples of four pixels, two classes, no void: class 1 is half of the second sample.
TWO = np.array([[4, 0, 0], [2, 2, 0]])


class Maps:
    """A source of given label maps."""

    def __init__(self, *maps):
        self.maps = maps
        self.classes = ClassTable(("sky", "void", "road"), ((0, 0, 0),) * 3, (1,))
        self.names = tuple(f"map {i}" for i in range(len(maps)))
        self.keys = frozenset({"labels"})

    def __len__(self):
        return len(self.maps)

    def load(self, index) -> Sample:
        if self.maps[index] is None:
            raise UserError(f"map {index} is broken")
        return {"labels": np.array(self.maps[index], "uint8")}


def test_counts_of_maps_of_any_size():
    done = []
    source = Maps([[0, 0, 2]], [[1], [1]], [[2, 2], [2, 0]])
    counts = count_labels(source, done.append)
    assert counts.tolist() == [[2, 0, 1], [0, 2, 0], [1, 0, 3]]
    assert done == [1, 2, 3]
    owned = by_owner(counts, source.classes.local_table(), source.classes.num_local)
    assert owned.tolist() == [[2, 1, 0], [0, 0, 2], [1, 3, 0]]


def test_ids_that_share_an_owner_are_added_up():
    assert by_owner(np.array([[1, 2, 4, 8]]), (0, 2, 1, 1), 2).tolist() == [[1, 12, 2]]


def test_a_map_that_cannot_be_read():
    with pytest.raises(UserError, match="map 1 is broken"):
        count_labels(Maps([[0]], None, [[0]]))


def test_full_strength_by_head():
    """F = 3/4, 1/4. The first sample shows 4/3 and 0 times as much as the average, the second
    2/3 and 2 times: 1/3 and 2/3 of the draws.

    Then F' = 1/3 + 1/3, 1/3: weights 3/2 and 3, over their mean 9/4.
    """
    balance = balance_classes(TWO, 1.0)
    assert balance.before == pytest.approx([0.75, 0.25])
    assert balance.probabilities == pytest.approx([1 / 3, 2 / 3])
    assert balance.after == pytest.approx([2 / 3, 1 / 3])
    assert balance.weights == pytest.approx([2 / 3, 4 / 3])
    assert balance.samples.tolist() == [2, 1]


def test_half_strength_by_head():
    """The second sample sqrt 2 times as often: 0.4142 and 0.5858; so F' = 0.7071, 0.2929."""
    balance = balance_classes(TWO, 0.5)
    assert balance.probabilities == pytest.approx([0.41421, 0.58579], abs=1e-5)
    assert balance.after == pytest.approx([0.70711, 0.29289], abs=1e-5)
    # 1 / sqrt F' = 1.1892, 1.8478 over their mean 1.5185.
    assert balance.weights == pytest.approx([0.78315, 1.21685], abs=1e-5)


def test_no_strength_changes_nothing():
    balance = balance_classes(TWO, 0.0)
    assert balance.probabilities.tolist() == [0.5, 0.5]
    assert balance.weights == (1.0, 1.0)
    assert balance.after.tolist() == balance.before.tolist()


def test_void_counts_nowhere_and_sizes_do_not_matter():
    """Void pixels take from a sample's share, not from what its other pixels are worth."""
    # As in TWO, but the first sample is 100 times as large and each is half void.
    balance = balance_classes(np.array([[400, 0, 400], [2, 2, 4]]), 1.0)
    assert balance.before == pytest.approx([0.75, 0.25])
    assert balance.probabilities == pytest.approx([1 / 3, 2 / 3])
    assert balance.weights == pytest.approx([2 / 3, 4 / 3])


def test_a_sample_of_void_alone_is_drawn_like_the_least_of_the_others():
    balance = balance_classes(np.vstack([TWO, [0, 0, 9]]), 1.0)
    assert balance.probabilities == pytest.approx([1 / 4, 2 / 4, 1 / 4])
    assert balance.after == pytest.approx([2 / 3, 1 / 3])
    nothing = balance_classes(np.array([[0, 0, 9], [0, 0, 9]]), 1.0)
    assert nothing.probabilities.tolist() == [0.5, 0.5]
    assert nothing.weights == (1.0, 1.0) and nothing.after.tolist() == [0, 0]


def test_a_class_that_never_occurs_weighs_as_without_balance():
    balance = balance_classes(np.array([[4, 0, 0, 0], [2, 0, 2, 0]]), 1.0)
    assert balance.weights == pytest.approx([2 / 3, 1.0, 4 / 3])
    assert balance.before == pytest.approx([0.75, 0, 0.25])


def test_neither_samples_nor_classes_count_more_than_the_cap():
    """One pixel in 10 000 of the last class, in one sample: uncapped it would be half of all."""
    counts = np.tile([100, 0, 0], (100, 1))
    counts[-1] = [99, 1, 0]
    counts[-2] = [0, 100, 0]
    balance = balance_classes(counts, 1.0)
    assert balance.probabilities.sum() == pytest.approx(1)
    assert balance.probabilities[-2] == pytest.approx(CAP / 100)
    assert balance.probabilities[-1] < CAP / 100
    # What the cap takes goes to the others in proportion to what they are worth.
    assert balance.probabilities[0] == pytest.approx(balance.probabilities[1])

    # Thirty classes of which two have hardly a pixel.
    counts = np.array([[1000] * 28 + [1, 1, 0]])
    weights = np.array(balance_classes(counts, 1.0).weights)
    assert weights[-2:] == pytest.approx([CAP, CAP])
    assert weights[:-2] == pytest.approx([10 / 28] * 28)


def test_rare_classes_are_seen_more_the_stronger():
    rng = np.random.default_rng(0)
    counts = rng.multinomial(1000, [0.6, 0.3, 0.07, 0.02, 0.01], 200)
    counts[:, 3] *= rng.random(200) < 0.1
    counts = np.pad(counts, [(0, 0), (0, 1)])
    rarest = [balance_classes(counts, s).after[3] for s in (0.0, 0.25, 0.5, 1.0)]
    assert rarest == sorted(rarest) and rarest[-1] > 1.5 * rarest[0]

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from lggan_tf.layers.class_specific import IMPLEMENTATIONS, ClassSpecificConv2D

each_implementation = pytest.mark.parametrize("implementation", ["dense", "sorted"])


def slow_class_images(features, labels, kernels, biases):
    """tanh(b_i + sum over the window of kernel_i and M_i * f, mirrored at the border)."""
    batch, height, width, _ = features.shape
    classes, size, _, _, filters = kernels.shape
    half = size // 2
    images = np.zeros((batch, height, width, classes, filters))

    def mirrored(n, end):
        return -n if n < 0 else 2 * (end - 1) - n if n >= end else n

    for n, y, x, i in np.ndindex(batch, height, width, classes):
        value = biases[i].astype("float64")
        for a, b in np.ndindex(size, size):
            row, column = mirrored(y + a - half, height), mirrored(x + b - half, width)
            if labels[n, row, column] == i:
                value = value + features[n, row, column] @ kernels[i, a, b].astype("float64")
        images[n, y, x, i] = np.tanh(value)
    return images


def built(num_classes, channels=2, filters=3, size=3, seed=0, **settings):
    layer = ClassSpecificConv2D(filters, size, num_classes, **settings)
    layer.build((None, None, None, channels))
    rng = np.random.default_rng(seed)
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(0, 0.3, variable.shape))
    return layer


def check(layer, features, labels):
    expected = slow_class_images(features, labels, np.array(layer.kernels), np.array(layer.biases))
    images = layer.class_images(features, labels)
    assert images.shape == expected.shape
    np.testing.assert_allclose(images, expected, atol=1e-5)
    for layer.implementation in IMPLEMENTATIONS:
        merged = layer(features, labels)
        np.testing.assert_allclose(merged, expected.sum(axis=-2), atol=1e-5)


@pytest.mark.parametrize("num_classes", [1, 3, 7])
def test_equals_the_slow_way(rng, num_classes):
    """7x7 as in the paper, noise as labels, void (K) among them."""
    features = rng.normal(size=(2, 6, 5, 2)).astype("float32")
    labels = rng.integers(0, num_classes + 1, size=(2, 6, 5)).astype("int32")
    check(built(num_classes, size=7), features, labels)


def test_images_of_a_batch_with_different_classes(rng):
    """Image 0 has classes 0 and 1, image 1 only 4 and void, image 2 void alone."""
    labels = np.zeros((3, 8, 8), "int32")
    labels[0, :, 4:] = 1
    labels[1], labels[1, 2:4] = 4, 5
    labels[2] = 5
    features = rng.normal(size=(3, 8, 8, 2)).astype("float32")
    layer = built(5, size=5)
    check(layer, features, labels)
    alone = layer(features[1:2], labels[1:2])
    np.testing.assert_allclose(layer(features, labels)[1:2], alone, atol=1e-6)


@hypothesis.settings(max_examples=30, deadline=None, derandomize=True, database=None)
@hypothesis.given(data=st.data())
def test_any_small_map(data):
    size = data.draw(st.sampled_from([1, 3, 5]), "size")
    side = st.integers(max(1, size // 2 + 1), 6)  # reflection needs a side above half a kernel
    shape = (data.draw(st.integers(1, 2)), data.draw(side), data.draw(side))
    num_classes = data.draw(st.integers(1, 4), "K")
    count = int(np.prod(shape))
    # Ids far above K, too: whatever is no class is void.
    ids = st.sampled_from([*range(num_classes + 1), 255])
    labels = np.array(data.draw(st.lists(ids, min_size=count, max_size=count)), "int32")
    channels, filters = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    features = np.random.default_rng(count).normal(size=(*shape, channels)).astype("float32")
    layer = built(num_classes, channels, filters, size)
    check(layer, features, labels.reshape(shape))


def test_an_absent_class_is_its_constant(rng):
    labels = rng.choice([0, 2, 3], size=(2, 9, 9)).astype("int32")
    layer = built(3, size=7)
    first, second = (
        layer.class_images(rng.normal(size=(2, 9, 9, 2)).astype("float32"), labels)
        for _ in range(2)
    )
    constant = np.tanh(np.array(layer.biases)[1])
    np.testing.assert_allclose(first[..., 1, :], np.broadcast_to(constant, (2, 9, 9, 3)), atol=2e-7)
    np.testing.assert_array_equal(first[..., 1, :], second[..., 1, :])
    assert np.all(first[..., 0, :] != second[..., 0, :])


def test_a_class_spills_half_a_kernel_over_its_border(rng):
    """A square of class 0 in rows and columns 7 to 8: with 7x7 it shows in 4 to 11."""
    labels = np.ones((1, 16, 16), "int32")
    labels[:, 7:9, 7:9] = 0
    layer = built(2, size=7)
    features = rng.normal(size=(1, 16, 16, 2)).astype("float32")
    image = layer.class_images(features, labels)[0, ..., 0, :].numpy()
    differs = np.abs(image - np.tanh(np.array(layer.biases)[0])).max(axis=-1) > 1e-6
    expected = np.zeros((16, 16), bool)
    expected[4:12, 4:12] = True
    np.testing.assert_array_equal(differs, expected)


@each_implementation
def test_merge_by_sum_leaves_the_range_of_one_image(implementation):
    """Three classes, absent, each tanh(3): no tanh follows the sum."""
    layer = built(3, filters=2, implementation=implementation)
    layer.biases.assign(np.full((3, 2), 3.0))
    merged = layer(tf.ones([1, 4, 4, 2]), tf.fill([1, 4, 4], 3))
    np.testing.assert_allclose(merged, np.full((1, 4, 4, 2), 3 * np.tanh(3)), rtol=1e-6)


@each_implementation
def test_merge_by_convolution_reads_class_major_channels(rng, implementation):
    """The mix's input channel filters * i + c is channel c of class i."""
    layer = built(4, filters=3, merge="conv", implementation=implementation)
    features = rng.normal(size=(2, 6, 7, 2)).astype("float32")
    labels = rng.integers(0, 5, size=(2, 6, 7)).astype("int32")
    kernel = np.zeros(layer.mix.kernel.shape, "float32")
    assert kernel.shape == (3, 3, 12, 3)
    for output, (i, c) in enumerate([(2, 1), (0, 2), (3, 0)]):
        kernel[1, 1, 3 * i + c, output] = 2.0
    layer.mix.kernel.assign(kernel)
    merged, images = layer(features, labels), layer.class_images(features, labels)
    picked = np.stack([images[..., 2, 1], images[..., 0, 2], images[..., 3, 0]], axis=-1)
    np.testing.assert_allclose(merged, np.tanh(2 * picked + np.array(layer.mix.bias)), atol=1e-6)


@each_implementation
def test_merge_by_convolution_equals_the_slow_way(rng, slow_convolution, implementation):
    layer = built(3, merge="conv", implementation=implementation)
    features = rng.normal(size=(2, 6, 5, 2)).astype("float32")
    labels = rng.integers(0, 4, size=(2, 6, 5)).astype("int32")
    images = slow_class_images(features, labels, np.array(layer.kernels), np.array(layer.biases))
    mixed = slow_convolution(
        images.reshape(2, 6, 5, 9), np.array(layer.mix.kernel), np.array(layer.mix.bias), pad=1
    )
    np.testing.assert_allclose(layer(features, labels), np.tanh(mixed), atol=1e-5)


@each_implementation
@pytest.mark.parametrize("merge", ["sum", "conv"])
def test_gradients_are_finite_differences(rng, slow_convolution, merge, implementation):
    """Along a random direction of each of features, kernels and biases, against the slow way."""
    layer = built(3, merge=merge, implementation=implementation)
    features = rng.normal(size=(2, 5, 6, 2)).astype("float32")
    labels = rng.integers(0, 4, size=(2, 5, 6)).astype("int32")
    weights = rng.normal(size=(2, 5, 6, 3))

    def value(features, kernels, biases):
        images = slow_class_images(features, labels, kernels, biases)
        if merge == "sum":
            return np.sum(weights * images.sum(axis=-2))
        flat, mix = images.reshape(2, 5, 6, 9), layer.mix
        mixed = slow_convolution(flat, np.array(mix.kernel), np.array(mix.bias), pad=1)
        return np.sum(weights * np.tanh(mixed))

    inputs = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(weights.astype("float32") * layer(inputs, labels))
    places = [features, np.array(layer.kernels), np.array(layer.biases)]
    gradients = tape.gradient(loss, [inputs, layer.kernels, layer.biases])
    for place, gradient in enumerate(gradients):
        direction = rng.normal(size=places[place].shape)
        ahead, behind = list(places), list(places)
        ahead[place] = places[place] + 1e-5 * direction
        behind[place] = places[place] - 1e-5 * direction
        slope = (value(*ahead) - value(*behind)) / 2e-5
        length = np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert np.sum(gradient * direction) == pytest.approx(slope, abs=1e-5 * length)


@each_implementation
def test_gradients_of_what_is_absent(rng, implementation):
    """An absent class learns its constant, not its kernel; void pixels' features learn nothing."""
    labels = rng.choice([0, 2, 3], size=(2, 6, 6)).astype("int32")
    labels[:, 0, 0], labels[:, 0, 1] = 0, 3
    layer = built(3, implementation=implementation)
    features = tf.random.stateless_normal([2, 6, 6, 2], [1, 2])
    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = tf.reduce_sum(layer(features, labels))
    by_kernel, by_bias, by_features = tape.gradient(loss, [layer.kernels, layer.biases, features])
    assert not np.any(by_kernel[1]) and np.all(by_kernel[0] != 0) and np.all(by_kernel[2] != 0)
    # 72 pixels, each tanh'(b).
    slope = 72 * (1 - np.tanh(np.array(layer.biases)[1]) ** 2)
    np.testing.assert_allclose(by_bias[1], slope, rtol=1e-5)
    is_void = labels == 3
    assert not np.any(by_features.numpy()[is_void]) and np.all(by_features.numpy()[~is_void] != 0)


@each_implementation
def test_class_l1_by_head(implementation):
    """One pixel each of class 0, 1 and void, photo 1: |0.5 - 1|, 0.5, 0.5 and 0, |0 - 1|, 0."""
    layer = built(2, filters=1, size=1, activation="linear", implementation=implementation)
    layer.kernels.assign(tf.zeros_like(layer.kernels))
    layer.biases.assign([[0.5], [0.0]])
    labels, photo = np.array([[[0, 1, 2]]]), tf.ones([1, 1, 3, 1])
    assert float(layer.class_l1(tf.ones([1, 1, 3, 2]), labels, photo)[0]) == pytest.approx(2.5 / 3)
    # Both against the mask of class 1: |0.5|, |0.5 - 1|, 0.5 and 0, |0 - 1|, 0.
    swapped = layer.class_l1(tf.ones([1, 1, 3, 2]), labels, photo, target_masks=(1, 1))
    assert float(swapped[0]) == pytest.approx(2.5 / 3)
    # Class 0 against that of class 1, 1 against that of 0: 1.5 and |0 - 1|, photo 2 is elsewhere.
    photo = tf.constant([2.0, 1.0, 2.0])[None, None, :, None]
    swapped = layer.class_l1(tf.ones([1, 1, 3, 2]), labels, photo, target_masks=(1, 0))
    assert float(swapped[0]) == pytest.approx((0.5 + 0.5 + 0.5 + 2) / 3)


@each_implementation
@pytest.mark.parametrize("target_masks", [None, (1, 1, 0)])
def test_class_l1_equals_the_slow_way(rng, implementation, target_masks):
    layer = built(3, size=3, implementation=implementation)
    features = rng.normal(size=(2, 6, 7, 2)).astype("float32")
    photo = rng.uniform(-1, 1, size=(2, 6, 7, 3)).astype("float32")
    labels = rng.integers(0, 4, size=(2, 6, 7)).astype("int32")
    labels[0, labels[0] == 1] = 2  # absent in one image
    images = slow_class_images(features, labels, np.array(layer.kernels), np.array(layer.biases))
    expected = np.zeros(2)
    for i in range(3):
        owner = i if target_masks is None else target_masks[i]
        wanted = np.where((labels == owner)[..., None], photo, 0)
        expected += np.mean(np.abs(images[..., i, :] - wanted), axis=(1, 2, 3))
    class_l1 = layer.class_l1(features, labels, photo, target_masks)
    np.testing.assert_allclose(class_l1, expected, rtol=1e-5)


@each_implementation
def test_class_l1_with_weights_by_head(implementation):
    """As above: class 0 is 1.5 / 3 away in all, class 1 is 1 / 3."""
    layer = built(2, filters=1, size=1, activation="linear", implementation=implementation)
    layer.kernels.assign(tf.zeros_like(layer.kernels))
    layer.biases.assign([[0.5], [0.0]])
    labels, photo = np.array([[[0, 1, 2]]]), tf.ones([1, 1, 3, 1])
    weighted = layer.class_l1(tf.ones([1, 1, 3, 2]), labels, photo, class_weights=(4.0, 10.0))
    assert float(weighted[0]) == pytest.approx((4 * 1.5 + 10 * 1.0) / 3)


@pytest.mark.parametrize("target_masks", [None, (1, 1, 0, 3)])
def test_weights_of_classes_scale_their_l1_and_its_gradients(rng, target_masks):
    """Kernels and biases are a class's own: their gradients are multiplied; void has no part."""
    labels = rng.integers(0, 5, size=(2, 6, 7)).astype("int32")
    labels[labels == 3] = 4  # class 3 is absent: only its constant is away from 0
    features = rng.normal(size=(2, 6, 7, 2)).astype("float32")
    photo = rng.uniform(-1, 1, size=(2, 6, 7, 3)).astype("float32")
    weights = np.array([0.5, 3.0, 0.0, 2.0])
    found = {}
    for implementation in ("dense", "sorted"):
        layer = built(4, size=3, implementation=implementation)
        for name, given in (("plain", None), ("weighted", tuple(weights))):
            with tf.GradientTape() as tape:
                value = tf.reduce_sum(
                    layer.class_l1(features, labels, photo, target_masks, class_weights=given)
                )
            gradients = tape.gradient(value, [layer.kernels, layer.biases])
            found[implementation, name] = [value, *gradients]
        for plain, weighted in zip(
            found[implementation, "plain"][1:], found[implementation, "weighted"][1:], strict=True
        ):
            factors = weights.reshape(4, *[1] * (len(plain.shape) - 1))
            np.testing.assert_allclose(weighted, plain * factors, rtol=1e-5, atol=1e-6)
    for first, second in zip(found["dense", "weighted"], found["sorted", "weighted"], strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"merge": "mean"}, "'mean' is neither 'sum' nor 'conv'"),
        ({"implementation": "fast"}, "implementation='fast' is not one of"),
        ({"kernel_size": 4}, "kernel_size=4 is not odd"),
    ],
)
def test_unknown_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        ClassSpecificConv2D(**{"filters": 3, "kernel_size": 7, "num_classes": 2} | settings)


@each_implementation
@pytest.mark.parametrize("merge", ["sum", "conv"])
def test_a_rank_is_a_projection_of_every_kernel(rng, merge, implementation):
    """Equal to the plain layer whose kernels are P S_i; so are the gradients, by the chain rule."""
    low = built(4, channels=6, size=5, merge=merge, implementation=implementation, rank=2)
    assert low.kernels.shape == (4, 5, 5, 2, 3) and low.projection.shape == (6, 2)
    plain = built(4, channels=6, size=5, merge=merge, implementation=implementation)
    projection, kernels = np.array(low.projection), np.array(low.kernels)
    plain.kernels.assign(np.einsum("cr,iabro->iabco", projection, kernels))
    plain.biases.assign(low.biases)
    if merge == "conv":
        for mine, theirs in zip(plain.mix.variables, low.mix.variables, strict=True):
            mine.assign(theirs)
    features = tf.constant(rng.normal(size=(2, 8, 7, 6)), "float32")
    labels = tf.constant(rng.integers(0, 5, size=(2, 8, 7)), "int32")
    target = tf.constant(rng.normal(size=(2, 8, 7, 3)), "float32")
    results = []
    for layer in (low, plain):
        with tf.GradientTape() as tape:
            tape.watch(features)
            image, class_l1 = layer(features, labels, target=target)
            loss = tf.reduce_sum(image * target) + tf.reduce_sum(class_l1)
        sources = [features, *(v.value for v in (layer.kernels, layer.biases))]
        if layer is low:
            sources.append(layer.projection.value)
        results.append((image, class_l1, *tape.gradient(loss, sources)))
    (*same, of_kernels, of_biases, of_projection), (*others, of_full, other_biases) = results
    for mine, theirs in zip([*same, of_biases], [*others, other_biases], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        of_kernels, np.einsum("cr,iabco->iabro", projection, of_full), rtol=1e-4, atol=1e-4
    )
    expected = np.einsum("iabro,iabco->cr", kernels, of_full)
    np.testing.assert_allclose(of_projection, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        low.class_images(features, labels), plain.class_images(features, labels), atol=1e-5
    )

"""The class-specific convolution in a SavedModel and in TFLite, with free sizes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from lggan_tf.layers.class_specific import ClassSpecificConv2D

SHAPES = ((1, 8, 8), (3, 6, 11))


@pytest.fixture
def exported(rng, tmp_path):
    def export(implementation, merge):
        inputs = keras.Input([None, None, 4]), keras.Input([None, None], dtype="int32")
        layer = ClassSpecificConv2D(3, 7, 5, merge=merge, implementation=implementation)
        model = keras.Model(inputs, layer(*inputs))
        for variable in model.trainable_variables:
            variable.assign(rng.normal(0, 0.3, variable.shape))
        archive = keras.export.ExportArchive()
        archive.track(model)
        specs = tf.TensorSpec([None, None, None, 4]), tf.TensorSpec([None, None, None], "int32")
        archive.add_endpoint("serve", lambda f, x: model([f, x], training=False), list(specs))
        archive.write_out(str(tmp_path / "model"), verbose=False)
        return layer, tmp_path / "model"

    return export


def given(rng, shape):
    labels = rng.integers(0, 6, shape).astype("int32")
    labels[:, :4] = 2
    return rng.normal(size=(*shape, 4)).astype("float32"), labels


@pytest.mark.parametrize("merge", ["sum", "conv"])
def test_saved_model(rng, exported, merge):
    layer, path = exported("sorted", merge)
    loaded = tf.saved_model.load(str(path))
    for shape in SHAPES:
        features, labels = given(rng, shape)
        expected = layer.merge_images(layer.class_images(features, labels))
        np.testing.assert_allclose(loaded.serve(features, labels), expected, atol=1e-5)


@pytest.mark.parametrize("merge", ["sum", "conv"])
def test_tflite_takes_the_dense_one(rng, exported, merge):
    layer, path = exported("dense", merge)
    content = tf.lite.TFLiteConverter.from_saved_model(str(path)).convert()
    interpreter = Interpreter(model_content=content)
    features_place, labels_place = sorted(
        interpreter.get_input_details(), key=lambda place: place["dtype"] is np.int32
    )
    for shape in SHAPES:
        features, labels = given(rng, shape)
        interpreter.resize_tensor_input(features_place["index"], features.shape)
        interpreter.resize_tensor_input(labels_place["index"], labels.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(features_place["index"], features)
        interpreter.set_tensor(labels_place["index"], labels)
        interpreter.invoke()
        drawn = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        expected = layer.merge_images(layer.class_images(features, labels))
        np.testing.assert_allclose(drawn, expected, atol=1e-5)

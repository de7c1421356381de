import numpy as np

from lggan_tf.data.edges import instance_edges


def slow_edges(instances):
    height, width = instances.shape
    edges = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                v, u = y + dy, x + dx
                if 0 <= v < height and 0 <= u < width and instances[v, u] != instances[y, x]:
                    edges[y, x] = 1
    return edges


def test_both_sides_of_a_border_are_edges_and_the_frame_is_not():
    instances = np.array([[7, 7, 9], [7, 7, 9], [7, 7, 7]])
    assert instance_edges(instances).tolist() == [[0, 1, 1], [0, 1, 1], [0, 0, 1]]


def test_diagonal_neighbours_do_not_count():
    instances = np.array([[1, 2], [2, 1]])
    assert instance_edges(instances).tolist() == [[1, 1], [1, 1]]
    corner = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 5]])
    assert instance_edges(corner)[1, 1] == 0


def test_equals_the_loop_for_every_integer_type():
    rng = np.random.default_rng(0)
    for dtype in (np.uint8, np.uint16, np.int32):
        instances = rng.integers(0, 3, (9, 7)).astype(dtype) * 40
        edges = instance_edges(instances)
        assert edges.dtype == np.uint8
        np.testing.assert_array_equal(edges, slow_edges(instances))


def test_equals_the_authors_edge_channel(shared_dir):
    reference = np.load(shared_dir / "reference" / "semantic_city_generator_eval.npz")
    edges = instance_edges(reference["input_instance"][0])
    assert 0 < edges.mean() < 1
    np.testing.assert_array_equal(edges, reference["input_edge"][0, 0])

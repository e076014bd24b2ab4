"""Task descriptions from arrays, datasets and models."""

import subprocess
import sys
import time

import numpy as np
import pytest

from metahp.describe import describe
from metahp.errors import RecordError
from metahp.types import check_task

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (500, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(500) % 10


def test_images_with_classes():
    found = describe(IMAGES, LABELS)
    check_task(found)
    statistics = {key: found.pop(key) for key in list(found) if key.startswith("feature_")}
    assert found == {
        "kind": "image",
        "examples": 500,
        "input_size": 192,
        "problem": "classification",
        "classes": 10,
        "class_balance": 1.0,
    }
    assert statistics["feature_mean"] == float(f"{IMAGES.mean():.3g}")
    assert statistics["feature_std"] == float(f"{IMAGES.std():.3g}")
    assert statistics["feature_missing"] == 0.0


@pytest.mark.parametrize(
    ("inputs", "kind"),
    [
        (np.zeros((5, 28, 28)), "image"),
        (np.zeros((5, 28, 27), np.uint8), "image"),
        (np.zeros((5, 100, 6)), "sequence"),
        (np.zeros((5, 4, 28, 28, 3)), "video"),
        (np.array(["a text", "b"]), "text"),
        (np.array([[1, 900, 3], [4, 5, 0]]), "text"),
        (np.array([[1, 2, 3], [4, 5, 0]]), "tabular"),
        ([[0.5, 1.5], [2.0, 3.0]], "tabular"),
        (np.array([1.0, 2.0]), "tabular"),
    ],
)
def test_the_kind_is_guessed_and_can_be_said(inputs, kind):
    assert describe(inputs)["kind"] == kind
    assert describe(inputs, kind="audio")["kind"] == "audio"


@pytest.mark.parametrize(
    "labels",
    [
        LABELS,
        LABELS[:, None],
        np.eye(10)[LABELS],
        [f"class {n}" for n in LABELS],
        np.array(list(map(str, LABELS)), object),
    ],
)
def test_labels_of_any_form_are_the_same_classes(labels):
    found = describe(IMAGES, labels)
    assert (found["problem"], found["classes"], found["class_balance"]) == ("classification", 10, 1.0)


def test_targets():
    found = describe(IMAGES, np.linspace(0, 1, 500))
    assert (found["problem"], found["target_size"], found["target_std"]) == ("regression", 1, 0.289)
    assert describe(IMAGES, RNG.random((500, 3)))["target_size"] == 3
    assert describe(np.zeros((4, 2)), [0, 0, 0, 1])["class_balance"] == 0.811
    assert describe(np.zeros((4, 2)), [7, 7, 7, 7])["class_balance"] == 0.0


def test_values_that_are_missing_or_infinite():
    found = describe(np.array([[0.0, np.nan], [np.inf, 2.0]]))
    check_task(found)
    assert (found["feature_zeros"], found["feature_missing"], found["feature_mean"]) == (0.25, 0.25, 1.0)
    assert "feature_mean" not in describe(np.full((3, 2), np.nan))
    assert describe(np.zeros((2, 1)), [np.nan, np.nan])["target_std"] == 0.0


def test_it_is_cheap_and_always_the_same():
    big = np.broadcast_to(IMAGES[:1], (1_000_000, 8, 8, 3))
    began = time.perf_counter()
    first = describe(big, np.zeros(1_000_000, np.int64))
    assert time.perf_counter() - began < 5
    assert describe(big, np.zeros(1_000_000, np.int64)) == first


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        ([[1, 2], [3]], None, "inputs must be an array with the examples along its first axis"),
        (np.zeros((0, 3)), None, r"inputs must be an array with at least one example, got shape \(0, 3\)"),
        (3.0, None, "at least one example"),
        (np.zeros((3, 2)), [1, 2], "there are 3 inputs and 2 labels; give one label per input"),
    ],
)
def test_what_is_no_data_is_refused(inputs, labels, message):
    with pytest.raises(RecordError, match=message):
        describe(inputs, labels)


def test_nothing_heavy_is_imported():
    code = "import sys; from metahp.describe import describe; describe([[1.0]], [1]); "
    code += "assert not {'tensorflow', 'keras', 'ray'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_dataset_says_the_same_as_its_arrays():
    tf = pytest.importorskip("tensorflow")
    expected = describe(IMAGES, LABELS)
    plain = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))
    for dataset in (plain, plain.batch(50), plain.batch(50, drop_remainder=True)):
        assert describe(dataset) == expected
    endless = describe(plain.batch(50).repeat())
    assert "examples" not in endless
    assert endless["classes"] == 10
    assert describe(tf.data.Dataset.from_tensor_slices(IMAGES))["examples"] == 500
    with pytest.raises(RecordError, match="the dataset is empty"):
        describe(plain.take(0))
    with pytest.raises(RecordError, match="each one array; map yours to that"):
        describe(tf.data.Dataset.from_tensor_slices({"a": IMAGES, "b": LABELS}))


def test_a_model():
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    assert describe(model=model) == {"layers": 2, "parameters": 19}
    assert describe(model=keras.Sequential([keras.layers.Dense(3)])) == {"layers": 1}
    assert describe([[1.0, 2.0]], model=model)["kind"] == "tabular"
    with pytest.raises(RecordError, match=r"needs a keras\.Model, got str"):
        describe(model="resnet")

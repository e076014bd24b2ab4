"""Whatever a training function gets and reports comes back from the store as it was."""

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metahp.errors import RecordError
from metahp.space import Categorical, Conditional, Constant, Float, SearchSpace
from metahp.store import Store, codec
from metahp.store.redaction import REDACTED, redact, redact_text
from metahp.types import Measurement, Sweep

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.integers(2**60, 2**200) | st.floats(allow_nan=False) | st.text()
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        | st.dictionaries(st.integers() | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)
CONFIGS = st.dictionaries(st.text(min_size=1, max_size=10), PLAIN, max_size=5)
VALUES = st.floats(width=64) | st.sampled_from([math.nan, math.inf, -math.inf])


def typed(value):
    """The value with its types spelled out: 1, 1.0 and True are different."""
    if isinstance(value, list | tuple):
        return type(value).__name__, [typed(item) for item in value]
    if isinstance(value, dict):
        return "dict", sorted(((typed(k), typed(v)) for k, v in value.items()), key=repr)
    return type(value).__name__, repr(value)


@given(PLAIN)
@settings(max_examples=300)
def test_json_is_exact(value):
    assert typed(codec.loads(codec.dumps(value))) == typed(value)


def test_json_of_other_things():
    assert math.isnan(codec.loads(codec.dumps(math.nan)))
    assert typed(codec.loads(codec.dumps(np.float32(0.1)))) == typed(float(np.float32(0.1)))
    assert typed(codec.loads(codec.dumps(np.longdouble(0.5)))) == typed(0.5)
    assert typed(codec.loads(codec.dumps({"a": np.arange(3), "b": np.bool_(True)}))) == typed(
        {"a": [0, 1, 2], "b": True}
    )
    assert codec.loads(codec.dumps([len, object()])) == ["<builtins.len>", "<builtins.object>"]
    assert codec.loads(codec.dumps({"$float": "nan", "$": 1, "$$tuple": 2})) == {"$float": "nan", "$": 1, "$$tuple": 2}


def test_json_that_cannot_be():
    loop: list = []
    loop.append(loop)
    for value in (loop, 10**5000):
        with pytest.raises(RecordError, match=r"cannot be written as JSON .* report smaller, finite data"):
            codec.dumps(value)


@given(
    st.lists(st.tuples(CONFIGS, st.lists(VALUES, max_size=4), st.dictionaries(st.text(max_size=5), PLAIN)), max_size=4)
)
@settings(max_examples=30, deadline=None)
def test_trials_come_back(trials):
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "store", spool_dir=Path(directory) / "spool")
        with store.open_sweep(Sweep("s", SearchSpace({}), "m", "min")) as writer:
            for number, (config, values, metrics) in enumerate(trials):
                writer.start_attempt(f"t{number}", config)
                for step, value in enumerate(values, start=1):
                    assert writer.record(f"t{number}", Measurement(step, value, step / 3), metrics)
            own = writer.history()
        history = store.history("s")
    assert len(history.trials) == len(own.trials) == len(trials)
    for (config, values, _), trial, mine in zip(trials, history.trials, own.trials, strict=True):
        assert typed(trial.config) == typed(mine.config) == typed(redact(config))
        assert [repr(m.value) for m in trial.curve.measurements] == [repr(value) for value in values]
        assert list(trial.curve.elapsed_s) == [step / 3 for step in trial.curve.steps]
        assert repr(trial.curve) == repr(mine.curve)


@given(st.dictionaries(st.text(max_size=5), VALUES | st.integers() | st.booleans() | PLAIN, max_size=6))
@settings(max_examples=30, deadline=None)
def test_any_report_is_taken(metrics):
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "store", spool_dir=Path(directory) / "spool")
        with store.open_sweep(Sweep("s", SearchSpace({}), "m", "min")) as writer:
            writer.start_attempt("t", {})
            assert writer.record("t", Measurement(1, 0.5), metrics)
        (row,) = [row for batch in store.scan() for row in batch.to_pylist()]
    stored = len(row["metrics"]) + len(codec.loads(row["extras_json"] or "{}"))
    assert stored == len({key.replace("\0", "\\0").encode("utf-8", "backslashreplace") for key in metrics})


@pytest.mark.parametrize(
    ("value", "metrics", "state"),
    [
        (0.5, {"m": 0.5}, "ok"),
        (math.nan, {"m": math.nan}, "nan"),
        (math.inf, {}, "+inf"),
        (-math.inf, {}, "-inf"),
        (math.nan, {"loss": 1.0}, "missing"),
    ],
)
def test_odd_objectives_are_told_apart(store, value, metrics, state):
    with store.open_sweep(Sweep("s", SearchSpace({}), "m", "min")) as writer:
        writer.start_attempt("t", {})
        writer.record("t", Measurement(1, value), metrics)
    (row,) = [row for batch in store.scan() for row in batch.to_pylist()]
    assert row["objective_state"] == state
    assert (row["objective"] is None) == (state == "missing")
    (measurement,) = store.history("s").trials[0].curve.measurements
    assert repr(measurement.value) == repr(value)


def test_secrets_are_not_written(store, spool_dir):
    key = "hf_" + "a1" * 20
    space = SearchSpace({"lr": Float(0.0, 1.0), "api_key": Constant("open sesame"), "max_tokens": Constant(512)})
    config = {
        "lr": 0.1,
        "api_key": "open sesame",
        "max_tokens": 512,
        "data": f"s3://user:{key}@host/x",
        "auth": {"deep": ["open sesame"]},
        "tokenizer": "bpe",
    }
    writer = store.open_sweep(Sweep("s", space, "m", "min", task={"secret_name": "open sesame", "kind": "text"}))
    writer.start_attempt("t", config)
    writer.record("t", Measurement(1, 0.5), {"log": f"with {key}", "password": "open sesame"})
    writer.record_event("t", "errored", error=f"401 for {key} at https://me:opensesame@x")
    everything = b"".join(path.read_bytes() for path in spool_dir.rglob("*") if path.is_file())
    writer.close()
    tables = "".join(str(b.to_pylist()) for t in ("sweeps", "trials", "results") for b in store.scan(t)).encode()
    for written in (everything, tables):
        assert b"sesame" not in written
        assert key.encode() not in written
        assert REDACTED.encode() in written
    read = store.history("s").trials[0].config
    assert read == config | {
        "api_key": REDACTED,
        "data": f"s3://{REDACTED}@host/x",
        "auth": {"deep": [REDACTED]},
    }
    assert store.sweeps()[0].space.contains(read)


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://u:p@ss@h/x?to=me@x", "https://<redacted>@h/x?to=me@x"),
        ("Authorization: Bearer abcdefghijklmnop.qr-s=", "Authorization: Bearer <redacted>"),
        ("authorization: basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "authorization: basic <redacted>"),
        ("basic dXNlcjpodW50ZXIyMjI=", "basic <redacted>"),
        ("bearer 3f2a9c1e5b7d48606f8e", "bearer <redacted>"),
        (f"with {JWT}", "with <redacted>"),
        ("password=hunter2, next", "password=<redacted>, next"),
        ('{"db_password": "open sesame"}', '{"db_password": <redacted>}'),
        ("aws_secret_access_key = wJalrXUtnFEMI", "aws_secret_access_key = <redacted>"),
        ("token=0123456789abcdef", "token=<redacted>"),
    ],
)
def test_credentials_in_free_text_are_cut_out(text, clean):
    assert redact_text(text) == clean
    assert redact_text(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "tokenizer=bpe",
        "token: eos",
        "pass@1",
        "max_tokens=512",
        "a basic understanding",
        "basic convolutional-block-v2x",
        "basic electroencephalography",
    ],
)
def test_words_are_no_credentials(text):
    assert redact_text(text) == text


def test_secrets_that_are_keys_or_in_arrays_are_not_written(store, spool_dir):
    key = "hf_" + "a1" * 20
    task = {key: "x"}
    writer = store.open_sweep(Sweep("s", SearchSpace({}), "m", "min", task=task))
    writer.start_attempt("t", {key: 1, "deep": {f"s3://me:{key}@h": [1]}, "array": np.array([key, "b"])})
    writer.record("t", Measurement(1, 0.5), {key: 1.0, "log": {key: np.array([key])}})
    everything = b"".join(path.read_bytes() for path in spool_dir.rglob("*") if path.is_file())
    writer.close()
    assert key.encode() not in everything
    assert everything.count(REDACTED.encode()) >= 5


@pytest.mark.parametrize(
    "domain",
    [
        Categorical(("s3://user:pw@host", "local")),
        Categorical(({"name": "a", "key": "hf_" + "a1" * 20}, {"name": "b"})),
        Conditional((None, {"url": "https://me:pw@h", "lr": Float(0.0, 1.0)})),
    ],
)
def test_a_space_that_searches_credentials_is_refused(store, spool_dir, domain):
    with pytest.raises(RecordError, match=r"looks like a credential at 'data' .* offer names there"):
        store.open_sweep(Sweep("s", SearchSpace({"data": domain}), "m", "min"))
    assert [path.name for path in store.path.iterdir()] == ["STORE.json"]


def test_what_a_choice_does_not_name_is_redacted():
    space = SearchSpace({"opt": Conditional(({"name": "adam", "auth": "plain"}, {"name": "sgd"}))})
    config = {"opt": {"name": "adam", "auth": "plain", "api_key": "open sesame"}}
    clean = redact(config, space.root)
    assert clean == {"opt": {"name": "adam", "auth": "plain", "api_key": REDACTED}}
    assert space.contains(clean)
    assert redact({"opt": "hf_" + "a1" * 20}, space.root) == {"opt": REDACTED}


def deep(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


def test_what_is_nested_without_end_costs_no_report(store, caplog):
    loop: dict = {}
    loop["itself"] = loop
    with store.open_sweep(Sweep("s", SearchSpace({}), "m", "min")) as writer:
        for endless in (loop, {"x": deep(70)}, {"x": deep(5000)}):
            with pytest.raises(RecordError, match="nested more than 64 levels deep, or in itself"):
                writer.start_attempt("t", endless)
        writer.start_attempt("t", {"x": deep(60)})
        for step, endless in enumerate((loop, deep(5000)), start=1):
            assert writer.record("t", Measurement(step, 0.5), {"log": endless, "loss": 1.0})
    assert caplog.text.count("the parts of a report that are no numbers are not stored") == 2
    (trial,) = store.history("s").trials
    assert (trial.config, len(trial.curve)) == ({"x": deep(60)}, 2)
    report = store.import_sweep(name="n", space=None, metric="m", mode="min", trials=[{"config": loop, "curve": []}])
    assert list(report.reasons) == [str(codec.too_deep())]


def test_descriptions_have_a_limit(store):
    names = {f"h{n}": Float(0.0, 1.0) for n in range(20_000)}
    with pytest.raises(RecordError, match=r"the search space takes [\d,]+ characters, at most 1,000,000"):
        store.open_sweep(Sweep("s", SearchSpace(names), "m", "min"))
    with pytest.raises(RecordError, match=r"the description of the task takes [\d,]+ characters"):
        store.open_sweep(Sweep("s", SearchSpace({}), "m", "min", task={"text": "x" * 300_000}))
    assert store.sweeps() == []


def test_a_searched_key_is_no_secret():
    space = SearchSpace({"token_type": {"auth": Constant("x")}, "pass": Constant("y")})
    assert redact({"token_type": {"auth": "x"}, "pass": "y"}, space.root) == {
        "token_type": {"auth": REDACTED},
        "pass": REDACTED,
    }
    searched = SearchSpace({"token_type": Categorical(("a", "b"))})
    assert redact({"token_type": "a"}, searched.root) == {"token_type": "a"}

"""``python -m metahp.shipped``: trains the shipped predictor anew; about ten seconds."""

from __future__ import annotations

from metahp.keras_predictor import SHIPPED, KerasPredictor
from metahp.starter import starter_sweeps

predictor = KerasPredictor(seed=0)
predictor.fit(starter_sweeps())
predictor.save(SHIPPED)
print(f"trained on {len(starter_sweeps())} sweeps, saved to {SHIPPED}")

"""The parts of the predictors, from names to posteriors; see `metahp.keras_predictor` for how they meet."""

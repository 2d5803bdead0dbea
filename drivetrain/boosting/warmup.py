"""Compiles the kernels of boosted trees ahead of their first use."""


def warmup() -> None:
    """Fit, predict and explain a table small enough to take no time itself."""
    import numpy as np

    from drivetrain.boosting.dataset import Dataset
    from drivetrain.boosting.objectives.logistic import Logistic
    from drivetrain.boosting.objectives.squared import SquaredError
    from drivetrain.boosting.training import Settings, boost
    from drivetrain.trees.growing.settings import Growth
    from drivetrain.trees.shap.explainer import Explainer

    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4)).astype(np.float32)
    x[:, 3] = rng.integers(0, 6, 400)
    kinds = np.array([False, False, False, True])
    y = (x[:, 0] > 0).astype(np.float32)
    for categorical in (None, kinds):
        # Kernels differ with categories, with drawn features, and with weights.
        for share in (1.0, 0.5):
            growth = Growth(colsample_bynode=share)
            for objective, weight in ((SquaredError(), None), (Logistic(), y + 1)):
                data = Dataset(x=x, label=y, weight=weight, categorical=categorical)
                settings = Settings(n_estimators=2, subsample=0.9, growth=growth, threads=2)
                model, _ = boost(data, objective, settings)
                model.predict(x)
    explainer = Explainer(model.forest)
    base = model.objective.to_margin(model.base_score)
    explainer.values(x[:2], base)
    explainer.interactions(x[:2], base)

"""Scripts as users of xgboost write them: each reads its data and leaves ``out``."""

# What every script finds: xgb, np, pd, folder; 400 rows of 5 features on a grid of twentieths, so
# that every cut is possible in both libraries; labels y (numbers), c (two classes), k (three),
# qid (40 queries) and r (grades 0 to 4).
SCRIPTS: dict[str, str] = {}

SCRIPTS["basic walkthrough"] = """
dtrain = xgb.DMatrix(x[:300], label=c[:300])
dtest = xgb.DMatrix(x[300:], label=c[300:])
param = {"max_depth": 2, "eta": 1, "objective": "binary:logistic", "nthread": 1}
watchlist = [(dtest, "eval"), (dtrain, "train")]
bst = xgb.train(param, dtrain, num_boost_round=4, evals=watchlist)
preds = bst.predict(dtest)
error = sum(1 for i in range(len(preds)) if int(preds[i] > 0.5) != c[300 + i]) / len(preds)
print("error=%.2f" % (round(error, 1)))
bst.save_model(folder / "0001.json")
bst.dump_model(folder / "dump.raw.txt")
bst2 = xgb.Booster(model_file=folder / "0001.json")
same = np.sum(np.abs(bst2.predict(dtest) - preds)) == 0
out = {
    "preds": preds,
    "labels": dtest.get_label(),
    "same": bool(same),
    "trees": len(bst.get_dump()),
    "rows": dtest.num_row(),
    "columns": dtest.num_col(),
}
"""

SCRIPTS["early stopping"] = """
dtrain = xgb.DMatrix(x[:300], y[:300])
dvalid = xgb.DMatrix(x[300:], y[300:])
result = {}
bst = xgb.train(
    {"max_depth": 3, "eta": 0.5, "eval_metric": ["mae", "rmse"], "nthread": 1},
    dtrain,
    60,
    evals=[(dtrain, "train"), (dvalid, "valid")],
    early_stopping_rounds=3,
    evals_result=result,
    verbose_eval=5,
)
out = {
    "keys": {k: list(v) for k, v in result.items()},
    "rounds": bst.num_boosted_rounds(),
    "best": bst.best_iteration,
    "score": bst.best_score,
    "curve": np.array(result["valid"]["rmse"]),
    "attributes": sorted(bst.attributes()),
    "p": bst.predict(dvalid, iteration_range=(0, bst.best_iteration + 1)),
}
"""

SCRIPTS["custom objective and metric"] = """
def squared_log(predt, dtrain):
    label = dtrain.get_label()
    predt[predt < -1] = -1 + 1e-6
    grad = (np.log1p(predt) - np.log1p(label)) / (predt + 1)
    hess = (-np.log1p(predt) + np.log1p(label) + 1) / np.power(predt + 1, 2)
    return grad, np.maximum(hess, 1e-6)


def rmsle(predt, dtrain):
    label = dtrain.get_label()
    predt[predt < -1] = -1 + 1e-6
    return "PyRMSLE", float(np.sqrt(np.mean(np.square(np.log1p(label) - np.log1p(predt)))))


dtrain, dtest = xgb.DMatrix(x[:300], y[:300]), xgb.DMatrix(x[300:], y[300:])
results = {}
bst = xgb.train(
    {
        "tree_method": "hist",
        "seed": 1994,
        "disable_default_eval_metric": 1,
        "max_depth": 3,
        "nthread": 1,
    },
    dtrain=dtrain,
    num_boost_round=8,
    obj=squared_log,
    custom_metric=rmsle,
    evals=[(dtrain, "dtrain"), (dtest, "dtest")],
    evals_result=results,
)
out = {"curve": np.array(results["dtest"]["PyRMSLE"]), "p": bst.predict(dtest)}
"""

SCRIPTS["custom softmax"] = """
def softprob(predt, data):
    labels, n = data.get_label(), predt.shape[0]
    p = np.exp(predt - predt.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    grad = p.copy()
    grad[np.arange(n), labels.astype(int)] -= 1.0
    return grad, np.maximum(2.0 * p * (1.0 - p), 1e-6)


def merror(predt, data):
    return "PyMError", float(np.mean(np.argmax(predt, axis=1) != data.get_label()))


m = xgb.DMatrix(x, k)
results = {}
booster = xgb.train(
    {
        "num_class": 3,
        "disable_default_eval_metric": True,
        "max_depth": 3,
        "objective": "multi:softprob",
        "nthread": 1,
    },
    m,
    num_boost_round=5,
    obj=softprob,
    custom_metric=merror,
    evals_result=results,
    evals=[(m, "train")],
    verbose_eval=False,
)
out = {
    "margin": booster.predict(m, output_margin=True),
    "p": booster.predict(m),
    "keys": {k: list(v) for k, v in results.items()},
}
"""

SCRIPTS["boost from prediction"] = """
dtrain = xgb.DMatrix(x[:300], c[:300])
dtest = xgb.DMatrix(x[300:], c[300:])
watchlist = [(dtest, "eval"), (dtrain, "train")]
param = {"max_depth": 2, "eta": 1, "objective": "binary:logistic", "nthread": 1}
bst = xgb.train(param, dtrain, 1, evals=watchlist)
ptrain = bst.predict(dtrain, output_margin=True)
ptest = bst.predict(dtest, output_margin=True)
dtrain.set_base_margin(ptrain)
dtest.set_base_margin(ptest)
bst = xgb.train(param, dtrain, 1, evals=watchlist)
out = {"margin": ptest, "p": bst.predict(dtest), "base": dtest.get_base_margin()}
"""

SCRIPTS["cross validation"] = """
dtrain = xgb.DMatrix(x, label=c)
param = {"max_depth": 2, "eta": 1, "objective": "binary:logistic", "nthread": 1}
table = xgb.cv(param, dtrain, 4, nfold=5, metrics={"error"}, seed=0, verbose_eval=True)
stopped = xgb.cv(
    {**param, "eta": 2.0},
    dtrain,
    num_boost_round=30,
    nfold=5,
    metrics=["logloss"],
    seed=0,
    stratified=True,
    early_stopping_rounds=3,
    callbacks=[xgb.callback.EvaluationMonitor(show_stdv=False)],
)


def fpreproc(dtrain, dtest, param):
    label = dtrain.get_label()
    param["scale_pos_weight"] = float(np.sum(label == 0)) / np.sum(label == 1)
    return dtrain, dtest, param


scaled = xgb.cv(
    param, dtrain, 3, nfold=4, metrics=["auc"], seed=1, fpreproc=fpreproc, as_pandas=False
)
out = {
    "columns": list(table.columns),
    "table": table.to_numpy(),
    "stopped": len(stopped),
    "scaled": {k: np.array(v) for k, v in scaled.items()},
}
"""

SCRIPTS["predict first n trees and leaves"] = """
dtrain, dtest = xgb.DMatrix(x[:300], c[:300]), xgb.DMatrix(x[300:], c[300:])
param = {"max_depth": 2, "eta": 1, "objective": "binary:logistic", "nthread": 1}
bst = xgb.train(param, dtrain, 3, evals=[(dtest, "eval")], verbose_eval=False)
leaves = bst.predict(dtest, pred_leaf=True)
out = {
    "first": bst.predict(dtest, iteration_range=(0, 1)),
    "leaves": leaves.shape,
    "all": bst.predict(dtest),
    "middle": bst.predict(dtest, iteration_range=(1, 3)),
    "sliced": bst[1:3].predict(dtest),
    "one": bst[0].num_boosted_rounds(),
    "strict": bst.predict(dtest, strict_shape=True),
    "type": str(leaves.dtype),
    "rounds": [one.num_boosted_rounds() for one in bst],
}
"""

SCRIPTS["feature importance and dumps"] = """
names = ["a", "b", "c", "d", "e"]
dtrain = xgb.DMatrix(
    x, y, feature_names=names, feature_types=["float", "q", "float", "float", "float"]
)
bst = xgb.train({"max_depth": 3, "eta": 0.7, "nthread": 1}, dtrain, 3)
frame = bst.trees_to_dataframe()
out = {
    kind: bst.get_score(importance_type=kind)
    for kind in ("weight", "gain", "cover", "total_gain", "total_cover")
}
out |= {
    "fscore": bst.get_fscore(),
    "names": bst.feature_names,
    "types": bst.feature_types,
    "columns": list(frame.columns),
    "splits": frame["Feature"].tolist(),
    "dtypes": [str(t) for t in frame.dtypes],
    "features": bst.num_features(),
    "histogram": bst.get_split_value_histogram("a", as_pandas=False).shape[1],
}
"""

SCRIPTS["shap"] = """
d = xgb.DMatrix(x, k)
bst = xgb.train({"objective": "multi:softprob", "num_class": 3, "max_depth": 3, "nthread": 1}, d, 4)
b2 = xgb.train({"max_depth": 3, "nthread": 1}, xgb.DMatrix(x, y), 4)
e = xgb.DMatrix(x[:50])
out = {
    "contribs": bst.predict(e, pred_contribs=True),
    "one": b2.predict(e, pred_contribs=True),
    "pairs": b2.predict(e, pred_interactions=True),
    "strict": b2.predict(e, pred_contribs=True, strict_shape=True),
}
"""

SCRIPTS["categorical data frame"] = """
frame = pd.DataFrame(
    {
        "shop": pd.Categorical(
            np.array(["n", "s", "e", "w", "o", "u"])[(x[:, 0] * 5.9).astype(int)]
        ),
        "size": x[:, 1],
        "count": (x[:, 2] * 20).astype(int),
        "open": x[:, 3] > 0.5,
    }
)
frame.loc[::9, "size"] = np.nan
d = xgb.DMatrix(frame, y, enable_categorical=True)
bst = xgb.train({"tree_method": "hist", "max_depth": 3, "nthread": 1}, d, 5)
shuffled = frame.assign(shop=frame["shop"].cat.reorder_categories(["u", "o", "w", "e", "s", "n"]))
out = {
    "names": d.feature_names,
    "types": d.feature_types,
    "p": bst.predict(d),
    "same": bool(
        np.array_equal(bst.predict(xgb.DMatrix(shuffled, enable_categorical=True)), bst.predict(d))
    ),
    "inplace": bst.inplace_predict(frame),
    "margin": bst.inplace_predict(frame, predict_type="margin"),
    "missing": d.num_nonmissing(),
}
try:
    xgb.DMatrix(frame, y)
except (ValueError, TypeError) as error:
    out["refused"] = "enable_categorical" in str(error)
"""

SCRIPTS["sparse"] = """
from scipy.sparse import csr_matrix, csc_matrix

s = x * (x > 0.4)
d = xgb.DMatrix(csr_matrix(s), y, weight=np.arange(len(y)) % 3 + 1)
bst = xgb.train({"max_depth": 3, "nthread": 1}, d, 5)
out = {
    "p": bst.predict(d),
    "csc": bst.predict(xgb.DMatrix(csc_matrix(s))),
    "nonmissing": d.num_nonmissing(),
    "weight": d.get_weight(),
    "data": d.get_data().toarray(),
    "dense": bst.predict(xgb.DMatrix(s, missing=0)),
}
"""

SCRIPTS["continued training"] = """
d = xgb.DMatrix(x, y)
param = {"max_depth": 3, "eta": 0.4, "nthread": 1}
first = xgb.train(param, d, 4)
second = xgb.train(param, d, 4, xgb_model=first)
whole = xgb.train(param, d, 8)
first.save_model(folder / "first.ubj")
third = xgb.train(param, d, 4, xgb_model=folder / "first.ubj")
raw = xgb.train(param, d, 4, xgb_model=first.save_raw())
out = {
    "rounds": [b.num_boosted_rounds() for b in (first, second, whole, third, raw)],
    "p": second.predict(d),
    "whole": whole.predict(d),
    "file": third.predict(d),
}
"""

SCRIPTS["callbacks"] = """
class Plot(xgb.callback.TrainingCallback):
    def __init__(self):
        self.seen = []

    def before_training(self, model):
        self.seen.append("begin")
        return model

    def after_iteration(self, model, epoch, evals_log):
        self.seen.append((epoch, sorted(evals_log), [len(v["rmse"]) for v in evals_log.values()]))
        return epoch == 5

    def after_training(self, model):
        self.seen.append("end")
        return model


d, e = xgb.DMatrix(x[:300], y[:300]), xgb.DMatrix(x[300:], y[300:])
plot = Plot()
bst = xgb.train(
    {"nthread": 1, "max_depth": 2},
    d,
    20,
    evals=[(d, "train"), (e, "valid")],
    callbacks=[
        plot,
        xgb.callback.LearningRateScheduler(lambda epoch: 0.5 * 0.9**epoch),
        xgb.callback.EvaluationMonitor(period=2),
        xgb.callback.TrainingCheckPoint(directory=folder, interval=2, name="step"),
        xgb.callback.EarlyStopping(
            rounds=4, save_best=True, data_name="train", metric_name="rmse", min_delta=0.001
        ),
    ],
    verbose_eval=False,
)
scheduled = xgb.train(
    {"nthread": 1, "max_depth": 2},
    d,
    3,
    callbacks=[xgb.callback.LearningRateScheduler([0.9, 0.1, 0.5])],
)
out = {
    "seen": [str(s) for s in plot.seen],
    "files": sorted(p.name for p in folder.glob("step*")),
    "rounds": bst.num_boosted_rounds(),
    "best": bst.best_iteration,
    "p": bst.predict(e),
    "scheduled": scheduled.predict(e),
}
"""

SCRIPTS["step by step"] = """
d = xgb.DMatrix(x, c)
bst = xgb.Booster({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, [d])
for i in range(4):
    bst.update(d, i)
text = bst.eval(d, name="train", iteration=4)
bst.set_param({"eta": 0.1})
p = 1 / (1 + np.exp(-bst.predict(d, output_margin=True)))
bst.boost(d, 4, grad=p - c, hess=p * (1 - p))
bst.set_attr(author="me", temporary="x")
bst.set_attr(temporary=None)
clone = bst.copy()
import pickle

again = pickle.loads(pickle.dumps(bst))
out = {
    "text": text.split(":")[0],
    "p": bst.predict(d),
    "attr": bst.attr("author"),
    "none": bst.attr("zz"),
    "attributes": bst.attributes(),
    "clone": clone.predict(d),
    "again": again.predict(d),
    "rounds": bst.num_boosted_rounds(),
    "raw": bytes(bst.save_raw()[:1]),
}
"""

SCRIPTS["learning to rank"] = """
order = np.argsort(qid, kind="stable")
d = xgb.DMatrix(x[order], r[order], qid=qid[order])
sizes = np.unique(qid, return_counts=True)[1]
g = xgb.DMatrix(x[order], r[order], group=sizes)
result = {}
param = {
    "objective": "rank:ndcg",
    "eta": 0.1,
    "min_child_weight": 0.1,
    "max_depth": 4,
    "nthread": 1,
    "eval_metric": ["ndcg@5", "ndcg@3-", "ndcg"],
    "lambdarank_pair_method": "topk",
    "lambdarank_num_pair_per_sample": 5,
}
bst = xgb.train(param, d, 6, evals=[(d, "train")], evals_result=result)
b2 = xgb.train({"objective": "rank:pairwise", "nthread": 1, "max_depth": 3}, g, 3)
out = {
    "keys": list(result["train"]),
    "p": bst.predict(d).shape,
    "ptr": g.get_uint_info("group_ptr"),
    "curve": np.round(np.array(result["train"]["ndcg"]), 1),
    "pair": b2.predict(g).shape,
    "group": g.get_group(),
}
"""

SCRIPTS["survival"] = """
low = np.exp(y)
high = np.where(x[:, 4] > 0.7, np.inf, low)
d = xgb.DMatrix(x)
d.set_float_info("label_lower_bound", low)
d.set_float_info("label_upper_bound", high)
bst = xgb.train(
    {
        "objective": "survival:aft",
        "eval_metric": "aft-nloglik",
        "aft_loss_distribution": "normal",
        "aft_loss_distribution_scale": 1.2,
        "max_depth": 2,
        "nthread": 1,
    },
    d,
    6,
    evals=[(d, "train")],
)
cox = xgb.train(
    {"objective": "survival:cox", "max_depth": 2, "nthread": 1},
    xgb.DMatrix(x, np.where(x[:, 4] > 0.7, -low, low)),
    5,
)
out = {
    "p": bst.predict(d),
    "margin": bst.predict(d, output_margin=True),
    "cox": cox.predict(d),
    "lower": d.get_float_info("label_lower_bound"),
}
"""

SCRIPTS["quantiles and several targets"] = """
d = xgb.QuantileDMatrix(x, np.column_stack([y, x[:, 0]]))
bst = xgb.train({"max_depth": 3, "nthread": 1}, d, 4)
q = xgb.train(
    {
        "objective": "reg:quantileerror",
        "quantile_alpha": [0.1, 0.5, 0.9],
        "max_depth": 3,
        "nthread": 1,
    },
    xgb.QuantileDMatrix(x, y),
    5,
    evals=[(xgb.DMatrix(x, y), "t")],
)
out = {"p": bst.predict(d), "q": q.predict(xgb.DMatrix(x)).shape, "labels": d.get_label()}
"""

SCRIPTS["iterator"] = """
class Iterator(xgb.DataIter):
    def __init__(self):
        self.at = 0
        super().__init__()

    def next(self, input_data):
        if self.at == 4:
            return False
        rows = slice(100 * self.at, 100 * self.at + 100)
        input_data(data=x[rows], label=y[rows], weight=np.ones(100))
        self.at += 1
        return True

    def reset(self):
        self.at = 0


d = xgb.QuantileDMatrix(Iterator())
bst = xgb.train({"max_depth": 3, "nthread": 1}, d, 4)
out = {
    "rows": d.num_row(),
    "columns": d.num_col(),
    "p": bst.predict(xgb.DMatrix(x)),
    "label": d.get_label(),
}
"""

SCRIPTS["dart and forests"] = """
d = xgb.DMatrix(x, y)
dart = xgb.train({"booster": "dart", "rate_drop": 0.0, "max_depth": 3, "nthread": 1}, d, 4)
forest = xgb.train({"num_parallel_tree": 3, "learning_rate": 1, "max_depth": 3, "nthread": 1}, d, 1)
out = {
    "dart": dart.predict(d),
    "forest": forest.predict(d),
    "trees": len(forest.get_dump()),
    "rounds": forest.num_boosted_rounds(),
    "leaf": forest.predict(d, pred_leaf=True).shape,
    "strict": forest.predict(d, pred_leaf=True, strict_shape=True).shape,
}
"""

SCRIPTS["slices of rows"] = """
d = xgb.DMatrix(x, y, weight=np.arange(400), base_margin=np.zeros(400), feature_names=list("abcde"))
s = d.slice([3, 1, 200])
out = {
    "label": s.get_label(),
    "weight": s.get_weight(),
    "names": s.feature_names,
    "rows": s.num_row(),
    "margin": s.get_base_margin(),
    "empty": xgb.DMatrix(x).get_weight(),
}
"""

SCRIPTS["linear booster"] = """
d = xgb.DMatrix(x, y, feature_names=list("abcde"))
param = {"booster": "gblinear", "updater": "coord_descent", "eta": 0.3, "lambda": 0.01}
bst = xgb.train(param, d, 6, evals=[(d, "train")])
out = {
    "p": bst.predict(d),
    "score": bst.get_score(),
    "dump": bst.get_dump()[0].split("\\n")[0],
    "contribs": bst.predict(d, pred_contribs=True),
}
"""

SCRIPTS["base score and seeds"] = """
d = xgb.DMatrix(x, c)
param = {"objective": "binary:logistic", "base_score": 0.3, "max_depth": 2, "nthread": 1}
out = {
    "p": xgb.train(param, d, 3).predict(d),
    "pairs": xgb.train(list(param.items()), d, 3).predict(d, output_margin=True),
    "constant": xgb.train(param, d, 0).predict(d),
}
"""

SCRIPTS["constraints and names of parameters"] = """
d = xgb.DMatrix(x, y, feature_names=list("abcde"))
more = {"tree_method": "hist", "max_depth": 3, "nthread": 1, "min_split_loss": 0.1, "alpha": 0}
up = xgb.train({**more, "monotone_constraints": "(1,0,-1,0,0)"}, d, 4)
named = xgb.train({**more, "monotone_constraints": {"a": 1, "c": -1}}, d, 4)
apart = xgb.train({**more, "interaction_constraints": [["a", "b"], ["c", "d", "e"]]}, d, 4)
wide = xgb.train({**more, "grow_policy": "lossguide", "max_leaves": 5, "max_depth": 0}, d, 4)
out = {
    name: bst.predict(d)
    for name, bst in (("up", up), ("named", named), ("apart", apart), ("wide", wide))
}
"""

SCRIPTS["scikit-learn regressor"] = """
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.base import clone

reg = xgb.XGBRegressor(
    n_estimators=30,
    max_depth=3,
    learning_rate=0.3,
    n_jobs=1,
    early_stopping_rounds=3,
    eval_metric="mae",
)
reg.fit(x[:300], y[:300], eval_set=[(x[300:], y[300:])], verbose=10)
search = GridSearchCV(xgb.XGBRegressor(n_jobs=1, n_estimators=5), {"max_depth": [2, 3]}, cv=2)
search.fit(x, y)
twin = clone(reg)
out = {
    "p": reg.predict(x),
    "best": reg.best_iteration,
    "keys": list(reg.evals_result()),
    "metric": list(reg.evals_result()["validation_0"]),
    "importances": reg.feature_importances_,
    "features": reg.n_features_in_,
    "params": sorted(twin.get_params()),
    "depth": search.best_params_,
    "scores": search.best_score_,
    "first": reg.predict(x, iteration_range=(0, 2)),
    "leaves": reg.apply(x).shape,
    "rounds": reg.get_booster().num_boosted_rounds(),
    "trees": reg.get_num_boosting_rounds(),
}
reg.save_model(folder / "reg.json")
again = xgb.XGBRegressor()
again.load_model(folder / "reg.json")
out["again"] = again.predict(x)
"""

SCRIPTS["scikit-learn classifier"] = """
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

clf = xgb.XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1).fit(x, k)
two = xgb.XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1, eval_metric=["auc", "error"])
two.fit(x, c, sample_weight=np.arange(400) % 3 + 1, eval_set=[(x, c)], verbose=True)
own = xgb.XGBClassifier(n_estimators=4, max_depth=2, n_jobs=1, eval_metric=log_loss)
own.fit(x, c, eval_set=[(x[:200], c[:200]), (x, c)], verbose=False)
more = xgb.XGBClassifier(n_estimators=3, max_depth=3, n_jobs=1).fit(x, c, xgb_model=two)
pipe = make_pipeline(
    StandardScaler(with_std=False), xgb.XGBClassifier(n_estimators=3, n_jobs=1)
).fit(x, c)
out = {
    "k": clf.predict(x),
    "proba": clf.predict_proba(x),
    "margin": clf.predict(x, output_margin=True),
    "two": two.predict(x),
    "p": two.predict_proba(x),
    "classes": clf.classes_,
    "n": int(clf.n_classes_),
    "score": clf.score(x, k),
    "keys": {a: list(b) for a, b in own.evals_result().items()},
    "more": more.get_booster().num_boosted_rounds(),
    "pipe": pipe.score(x, c),
    "two_keys": list(two.evals_result()["validation_0"]),
}
try:
    xgb.XGBClassifier().fit(x, c + 1)
except ValueError as error:
    out["error"] = str(error)
"""

SCRIPTS["scikit-learn's own objective, forests and ranks"] = """
def loss(y_true, y_pred):
    return y_pred - y_true, np.ones(len(y_true))


own = xgb.XGBRegressor(objective=loss, n_estimators=5, max_depth=3, n_jobs=1).fit(x, y)
forest = xgb.XGBRFRegressor(
    n_estimators=3, max_depth=3, n_jobs=1, subsample=1, colsample_bynode=1
).fit(x, y)
trees = xgb.XGBRFClassifier(
    n_estimators=3, max_depth=3, n_jobs=1, subsample=1, colsample_bynode=1
).fit(x, c)
line = xgb.XGBRegressor(booster="gblinear", n_estimators=4, updater="coord_descent", n_jobs=1).fit(
    x, y
)
order = np.argsort(qid, kind="stable")
rank = xgb.XGBRanker(n_estimators=3, max_depth=3, n_jobs=1).fit(x[order], r[order], qid=qid[order])
frame = pd.DataFrame(x[order], columns=list("abcde")).assign(qid=qid[order])
framed = xgb.XGBRanker(n_estimators=3, max_depth=3, n_jobs=1).fit(frame, r[order])
out = {
    "own": own.predict(x),
    "forest": forest.predict(x),
    "trees": trees.predict_proba(x),
    "coef": line.coef_,
    "rank": rank.predict(x).shape,
    "framed": framed.predict(frame).shape,
    "score": round(float(framed.score(frame, r[order])), 1),
    "rounds": forest.get_booster().num_boosted_rounds(),
}
"""

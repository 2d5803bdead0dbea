from .bundling import Bundles as Bundles
from .bundling import bundle_features as bundle_features
from .forests.classifiers import RandomForestClassifier as RandomForestClassifier
from .forests.regressors import RandomForestRegressor as RandomForestRegressor
from .goss import goss_sample as goss_sample
from .target_statistics import TargetStatistics as TargetStatistics
from .target_statistics import target_statistics as target_statistics

"""Metrics: one small pure module each; `definitions/ID.md` says what each is."""

from backmapbench.metrics.base import Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.registry import METRICS, metric_class

__all__ = ["METRICS", "Frames", "Metric", "MetricContext", "Score", "Statistics", "metric_class"]

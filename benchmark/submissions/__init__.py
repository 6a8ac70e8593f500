"""How a backmapper enters: the protocol, the registry and folders of finished predictions."""

from backmapbench.submissions.protocol import Backmapper, ModelInfo, System, TrainableBackmapper, TrainingSet

__all__ = ["Backmapper", "ModelInfo", "System", "TrainableBackmapper", "TrainingSet"]
